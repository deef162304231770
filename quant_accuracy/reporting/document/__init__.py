"""The report as data: written, read again, and kept as history."""
