"""Small networks of every kind that users quantize, and what the real AIMET 1.19.1 makes of each."""
