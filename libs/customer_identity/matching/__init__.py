"""Streaming matching: candidates from an index, scores with evidence, grades; the same for files and the service."""
