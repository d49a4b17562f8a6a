"""What can be typed after `dedupe-detector`, by subject: names, options, and what of the terminal package they call."""
