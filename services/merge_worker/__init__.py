"""The merge worker: merge commands in, merged customers and the events that tell of them out."""
