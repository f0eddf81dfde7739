"""What an account sets up and looks at: agents, keys, sources, webhooks, usage."""
