"""What is too large, and what is deleted while it is worked on: on one running system."""
