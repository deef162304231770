"""Tests of the engine and of the suite itself."""
