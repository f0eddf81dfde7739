"""One request to a site: where it may go, how often, what it may bring."""
