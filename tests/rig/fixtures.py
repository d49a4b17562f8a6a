"""What the fixtures of conftest.py hand to a test, as types."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from sqlalchemy import Engine

from rig.processes import Program


class Spawn(Protocol):
    """Starts a program: `spawn(["merge-worker", "run"], env)`; it is killed at the end of the test."""

    def __call__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Program:
        """The running program."""


class Migrated(Protocol):
    """Makes a fresh migrated database: `migrated("merge_worker", "customer_merge_demo.store")`."""

    def __call__(self, *packages: str) -> str:
        """Its URL."""


class Connected(Protocol):
    """Makes an engine on a fresh migrated database: `connected("merge_worker")`."""

    def __call__(self, *packages: str) -> Engine:
        """The engine."""


class MakeTopics(Protocol):
    """Makes real topics: `make_topics({"merge-command": 4})`."""

    def __call__(self, partitions: Mapping[str, int]) -> dict[str, str]:
        """Their full names by their default names."""
