"""Regressions that the gate suite has to catch: what they are, how they are injected, and which tests they turn red."""
