"""From an event to a delivered request, the log of it, and what is sent again."""
