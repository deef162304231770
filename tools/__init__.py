"""Command lines over the engine."""
