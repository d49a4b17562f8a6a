"""How two records agree: one ordered level per field, over many pairs at once."""

from customer_identity.comparison.levels import compare, compare_pairs

__all__ = ["compare", "compare_pairs"]
