"""What the commands print. Results go to stdout, everything else to stderr."""
