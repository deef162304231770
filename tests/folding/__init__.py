"""Tests of `quant_accuracy/folding/`."""
