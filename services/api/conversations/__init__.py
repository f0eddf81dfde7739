"""What was said: how an answer is recorded, what is read of it, how a conversation ends."""
