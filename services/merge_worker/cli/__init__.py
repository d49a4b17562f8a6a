"""The subcommands of `merge-worker`, one a file; each is imported only when it is called."""
