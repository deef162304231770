"""Steps 1 to 5: what is made once of a checkpoint, and loaded by every process that evaluates."""
