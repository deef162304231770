"""Tests of `quant_accuracy/reporting/page/`."""
