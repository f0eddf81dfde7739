"""Measures how well retrieval finds what was asked for: `make eval`."""
