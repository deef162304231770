"""Doors to the commands of `quant-accuracy`, by the paths that they have had."""
