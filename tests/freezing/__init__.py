"""Tests of `quant_accuracy/freezing/`."""
