"""Tests of `quant_accuracy/repair/adaround/`."""
