"""From an evaluation to what people read: a document, pages, tables, files."""

from quant_accuracy.base import before_tensorflow

before_tensorflow.set_up()
