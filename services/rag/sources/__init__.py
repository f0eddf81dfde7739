"""What an agent knows: the calls about it, its store, and how it is indexed."""
