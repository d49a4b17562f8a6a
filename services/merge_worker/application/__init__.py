"""What the worker does with a command: one use case a file, named after its verb."""
