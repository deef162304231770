"""What really runs: integer models made of a simulation, and what boards leave of them."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
