"""A message and its answer: accept.py takes it, stream.py tells it, messages.py resumes it."""
