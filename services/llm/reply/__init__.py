"""What is told of an answer: its pieces to the edge, how it ended to the log of events."""
