"""Tests of `quant_accuracy/judging/`."""
