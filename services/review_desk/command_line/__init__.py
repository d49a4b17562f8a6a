"""What can be typed after `review-desk`, by subject: names, options, and what of the terminal package they call."""
