"""Speed and memory, subject by subject."""
