"""Tests of `quant_accuracy/reporting/document/`."""
