"""What the desk does, one use case a file."""
