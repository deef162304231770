"""Tests of `quant_accuracy/artifacts/`."""
