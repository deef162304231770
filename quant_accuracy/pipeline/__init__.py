"""The way from a request to verdicts, for both variants."""
