"""The model server: asking it, what it refuses, its stream of pieces."""
