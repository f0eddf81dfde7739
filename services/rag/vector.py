"""What an embedding model makes of a text."""

Vector = list[float]
