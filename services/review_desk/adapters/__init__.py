"""The desk's own tables, and the two things it reads of others."""
