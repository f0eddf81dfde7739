"""The stack of `make run`: its servers, its services, its demo."""
