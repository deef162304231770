"""Tests of `quant_accuracy/graph/`."""
