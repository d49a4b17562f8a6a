"""Customer events in, merge candidates out."""
