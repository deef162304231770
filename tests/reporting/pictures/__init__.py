"""Tests of `quant_accuracy/reporting/pictures/`."""
