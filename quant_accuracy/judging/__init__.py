"""From figures to verdicts: gates, the baseline that they compare with, and how far figures move for no reason."""
