"""Tests of `quant_accuracy/executors/`."""
