"""Tests of `quant_accuracy/demo/`."""
