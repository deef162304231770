"""Tests of `quant_accuracy/device`."""
