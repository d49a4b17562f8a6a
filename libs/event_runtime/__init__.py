"""Business-blind plumbing between a bus, a database and a service."""
