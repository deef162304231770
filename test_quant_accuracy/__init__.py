"""The product: gates on a quantized detector."""
