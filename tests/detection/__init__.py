"""Tests of `quant_accuracy/detection/`."""
