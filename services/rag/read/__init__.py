"""From a document's bytes to its sections. Runs in a process of its own, see process.py."""
