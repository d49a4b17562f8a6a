"""Pure decisions about customers: what a record says, who is the same person, how records merge."""
