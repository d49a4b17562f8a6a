"""Starts the whole system, feeds it, watches it, and stops it again."""
