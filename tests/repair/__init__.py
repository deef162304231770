"""Tests of `quant_accuracy/repair/`."""
