"""Tests of `quant_accuracy/plugin/`."""
