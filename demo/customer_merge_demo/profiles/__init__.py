"""Ready-made systems of five kinds: each has tables and rows of its own, a merge plan, and a story to tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from event_runtime.faults import SettingError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One system. Its merge plan is shipped with the engine under the same name."""

    name: str

    def file(self, name: str) -> Path:
        """One of its files: schema.sql, seed.sql, story.yaml."""
        return _HERE / self.name / name


def profile_names() -> list[str]:
    """The profiles that have a story."""
    return sorted(path.parent.name for path in _HERE.glob("*/story.yaml"))


def find_profile(name: str) -> Profile:
    """The profile of that name. Raises SettingError with the names that there are."""
    if name not in profile_names():
        raise SettingError(f"--profile: there is no profile {name!r}; there are {', '.join(profile_names())}")
    return Profile(name=name)
