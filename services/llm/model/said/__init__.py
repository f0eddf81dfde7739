"""What of a model's text is said: no thoughts, no calls of tools."""
