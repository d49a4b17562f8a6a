"""What the commands do and print, by subject. Results go to stdout, everything else to stderr."""
