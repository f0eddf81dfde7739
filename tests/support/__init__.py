"""What test modules share; they never import from each other."""
