"""Tests of `quant_accuracy/quantization/aimet/`."""
