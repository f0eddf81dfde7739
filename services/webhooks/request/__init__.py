"""What a delivery looks like: its body, its signature, samples."""
