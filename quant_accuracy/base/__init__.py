"""What everything stands on: files, documents, errors, the cache, and what is said on the way."""
