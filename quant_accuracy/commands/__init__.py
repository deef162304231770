"""The commands of `quant-accuracy`, one a module: what is typed in, engine calls, lines and files out."""
