"""A seeded population and the records a shop would hold about it; the truth is known."""
