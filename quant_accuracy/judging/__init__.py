"""From figures to verdicts: gates, the baseline that they compare with, and run-to-run variation."""
