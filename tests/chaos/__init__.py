"""Load on a system in which things die at random, and the audit of what became of it."""
