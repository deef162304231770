"""Tests of `quant_accuracy/commands/`."""
