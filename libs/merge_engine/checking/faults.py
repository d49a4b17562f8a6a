"""What is wrong with a plan, and where in the file it stands."""

from dataclasses import dataclass

Location = tuple[int | str, ...]
"""The way to a part of the plan: keys and places in lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFault:
    """One fault; `message` says what it is and how to mend it."""

    location: Location
    message: str
