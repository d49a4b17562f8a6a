"""What can be typed after `merge-worker`, by subject: names, options, and what of the terminal package they call."""
