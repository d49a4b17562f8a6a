"""How many examples a property is held against."""

from hypothesis import settings

_OF_HYPOTHESIS = 100


def examples(count: int) -> int:
    """So many where changes land, and as many times more as the loaded profile asks for (tests/conftest.py)."""
    return count * settings().max_examples // _OF_HYPOTHESIS
