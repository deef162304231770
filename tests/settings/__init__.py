"""Tests of `quant_accuracy/settings/`."""
