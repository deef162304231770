"""Tests of `quant_accuracy/pipeline/`."""
