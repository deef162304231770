"""What the real AIMET 1.19.1 has answered, and what is answered here."""
