"""One page of a site: from its bytes to its text, in a process of its own."""
