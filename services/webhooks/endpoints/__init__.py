"""The endpoints of an agent: calls, store, health."""
