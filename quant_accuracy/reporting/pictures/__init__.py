"""Images with boxes: what both variants saw."""
