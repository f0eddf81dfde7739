"""Around every request: who is calling, how often, and what an account has of a process."""
