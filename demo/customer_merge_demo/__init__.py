"""The story from end to end: made-up customers, a sample storefront, sample relinkers, and the report."""
