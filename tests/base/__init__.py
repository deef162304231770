"""Tests of `quant_accuracy/base/`."""
