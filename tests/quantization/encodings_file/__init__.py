"""Tests of `quant_accuracy/quantization/encodings_file/`."""
