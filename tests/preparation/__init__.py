"""Tests of `quant_accuracy/preparation/`."""
