"""Dataclasses that are frozen to the type checker and plain at run time.

The standard library freezes a dataclass by a `__setattr__` of its own, around which its `__init__` has to work field by
field: making a value takes three times as long. Values that are made by the dozen for every record are kept from being
changed by the type checker alone. Everything else uses `dataclasses.dataclass`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from collections.abc import Callable

    def dataclass(*, frozen: bool, **options: bool) -> Callable[[type], type]:
        """As that of the standard library, without a guard against changes; hashable when `frozen`."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)


__all__ = ["dataclass"]
