"""What gets quantized, over which range, and the graph that simulates it."""
