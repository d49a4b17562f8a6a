"""The detector's own tables, its files, and how events become records."""
