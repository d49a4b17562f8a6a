"""The forms in which values of fields are compared and combined: equal after normalisation is equal."""

from collections.abc import Sequence
from typing import Any


def comparable(value: Any) -> Any:
    """The value as it is compared: text without regard to case and spacing; blank text and empty lists as missing."""
    if isinstance(value, str):
        return " ".join(value.casefold().split()) or None
    if isinstance(value, list):
        return tuple(comparable(element) for element in value) or None
    if isinstance(value, dict):
        return tuple(sorted((str(key), repr(comparable(element))) for key, element in value.items())) or None
    return value


def is_present(value: Any) -> bool:
    """Whether there is a value at all."""
    return comparable(value) is not None


def word(value: Any) -> Any:
    """A value as the words of a plan name it: `order: [GOLD]` means gold, and 1 means the text 1 too."""
    return None if value is None else comparable(str(value))


def elements(value: Any) -> Sequence[Any] | None:
    """The elements of a list, or of text separated by commas; None when it is neither."""
    if isinstance(value, list):
        return [element for element in value if is_present(element)]
    if isinstance(value, str):
        return [element.strip() for element in value.split(",") if element.strip()]
    return None
