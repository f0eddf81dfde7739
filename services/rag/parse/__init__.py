"""From a document's bytes to its text, in sections. Runs in a process of its own, see child.py."""
