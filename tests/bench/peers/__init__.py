"""What is measured beside this project."""
