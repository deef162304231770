"""A stand-in of AIMET 1.19: packages of its names, to be put on the path where AIMET is not installed.

It has the names of AIMET that the aimet backend relies on, and the form of what they give: quantize ops in a graph of
its own, quantizers without a reason, names of new biases in an order of its own (the variable `ORDER`). What it
computes is this project's; whether that is AIMET's, tests with the real one tell.
"""
