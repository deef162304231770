"""Tests of `quant_accuracy/data/`."""
