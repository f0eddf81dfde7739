"""What one tenant's attacks do to another's chat: `python -m tests.hostile`."""
