"""Looks at the databases' own books to tell whether anything is still on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from customer_merge_demo.customers import TENANT_ID

# Schema → topics (default names) its program reads; every schema here also has an outbox.
READERS: Final[Mapping[str, tuple[str, ...]]] = {
    "store": (),
    "detector": ("customer-created", "customer-merged", "merge-command"),
    "review": ("merge-candidate", "merge-outcome", "customer-merged"),
    "merge": ("merge-command", "relink-ack", "customer-created"),
    "crm": ("customer-merged",),
    "loyalty": ("customer-merged",),
    "helpdesk": ("customer-merged",),
}

Ends = Mapping[tuple[str, int], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Up to where a program has read a partition, by default topic name."""

    schema: str
    topic: str
    partition: int
    next_offset: int


class Probe:
    """Asks the database; every question is a short transaction of its own."""

    def __init__(self, engine: Engine, topics: Mapping[str, str]) -> None:
        """`topics` maps default name → real name."""
        self._engine = engine
        self._default_names = {real: default for default, real in topics.items()}

    def unpublished(self) -> list[str]:
        """For each outbox that is ahead of its relay: a sentence saying by how much."""
        heads = " UNION ALL ".join(_BACKLOG.format(schema=schema) for schema in READERS)
        with self._engine.connect() as connection:
            rows = connection.execute(text(heads)).all()
        return [f"{row.backlog} events of {row.schema} are not published yet" for row in rows if row.backlog]

    def positions(self) -> list[Position]:
        """Every stored position in this run's topics."""
        with self._engine.connect() as connection:
            return list(self._positions(connection))

    def lag(self, ends: Ends) -> dict[tuple[str, str], int]:
        """Records not yet processed, by schema and topic."""
        read = {(p.schema, p.topic, p.partition): p.next_offset for p in self.positions()}
        lags: dict[tuple[str, str], int] = {}
        for schema, topics in READERS.items():
            for (topic, partition), end in ends.items():
                if topic in topics:
                    behind = max(0, end - read.get((schema, topic, partition), 0))
                    lags[schema, topic] = lags.get((schema, topic), 0) + behind
        return lags

    def unanswered(self) -> int:
        """Commands the desk has sent that have no terminal outcome yet."""
        asked = {"topic": self._real("merge-command"), "tenant": TENANT_ID}
        with self._engine.connect() as connection:
            return int(connection.execute(text(_UNANSWERED), asked).scalar_one())

    def cases(self) -> dict[str, int]:
        """How many cases of the desk are in each state."""
        with self._engine.connect() as connection:
            rows = connection.execute(text("SELECT state, count(*) AS cases FROM review.cases GROUP BY state"))
            return {row.state: row.cases for row in rows}

    def undecided(self) -> int:
        """Cases that wait for a command in flight, their own or another's."""
        cases = self.cases()
        return cases.get("WAITING", 0) + cases.get("APPROVED", 0)

    def _positions(self, connection: Connection) -> Iterator[Position]:
        union = " UNION ALL ".join(_POSITIONS.format(schema=schema) for schema in READERS)
        for row in connection.execute(text(union)):
            if row.topic in self._default_names:
                yield Position(
                    schema=row.schema,
                    topic=self._default_names[row.topic],
                    partition=row.partition,
                    next_offset=row.next_offset,
                )

    def _real(self, default: str) -> str:
        return next(real for real, name in self._default_names.items() if name == default)


_BACKLOG = """
SELECT '{schema}' AS schema, coalesce(sum(h.position - p.position), 0) AS backlog
  FROM {schema}.outbox_heads h JOIN {schema}.outbox_published p USING (stream)"""

# The group furthest behind counts, should a program read a topic in two groups.
_POSITIONS = """
SELECT '{schema}' AS schema, topic, partition, min(next_offset) AS next_offset
  FROM {schema}.positions GROUP BY topic, partition"""

_UNANSWERED = """
SELECT count(*)
  FROM (SELECT DISTINCT CAST(headers AS json) ->> 'ce_subject' AS command_id FROM review.outbox WHERE topic = :topic) c
  LEFT JOIN merge.inbox i ON i.tenant_id = :tenant AND i.message_id = c.command_id AND i.outcome_id IS NOT NULL
 WHERE i.message_id IS NULL"""
