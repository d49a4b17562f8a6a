"""How two records agree: one ordered level per field, over many pairs at once."""

from customer_identity.comparison.levels import compare

__all__ = ["compare"]
