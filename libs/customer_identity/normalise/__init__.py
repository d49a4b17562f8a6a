"""From what sources write to what can be compared: pure, one file per kind of field, cached by value."""

from customer_identity.normalise.record import NormalisedRecord, normalise

__all__ = ["NormalisedRecord", "normalise"]
