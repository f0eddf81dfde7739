"""HTTP as such: requests as they arrive, bodies, pages of lists, errors, streams of events."""
