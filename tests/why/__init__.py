"""Tests of `quant_accuracy/why/`."""
