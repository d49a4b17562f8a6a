"""Between the use cases and the outside: wire events, the worker's own tables, the bus as a client sees it."""
