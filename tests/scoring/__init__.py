"""Tests of `quant_accuracy/scoring/`."""
