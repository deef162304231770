"""Side-by-side measurements; each prints a ratio or a time with its limit."""
