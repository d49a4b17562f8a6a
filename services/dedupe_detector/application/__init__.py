"""The detector's use cases, one a file."""
