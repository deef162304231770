"""The engine behind the accuracy suite for quantized object detectors; it knows nothing about pytest."""
