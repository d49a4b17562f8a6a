"""Which commands count in full: those that somebody vouches for, as the configured authority wants it.

Without proof a merge becomes a recommendation, and what cannot be recommended is refused. A proof that does not hold is
refused in any case: somebody tried.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from customer_events import MergeCustomers, RecommendMerge, RuleError
from event_runtime.records import Received
from frozen_values import dataclass
from merge_worker.adapters.commands import Command
from merge_worker.application.authority import proof_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A command and the record that brought it."""

    command: Command
    received: Received


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whether there is proof; `refused` says why what was given as such is none."""

    given: bool
    refused: RuleError | None = None


class Authority(Protocol):
    """Knows whom to believe."""

    def proofs(self, connection: Connection, arrived: Sequence[Arrival], now: datetime) -> Sequence[Proof]:
        """Return the proof of each command, in their order."""
        ...


class TopicAuthority:
    """Whoever may write the topic is believed."""

    def proofs(
        self,
        connection: Connection,  # noqa: ARG002 - the protocol's
        arrived: Sequence[Arrival],
        now: datetime,  # noqa: ARG002
    ) -> Sequence[Proof]:
        """Return that each command is as good as proven."""
        return [_BELIEVED] * len(arrived)


_BELIEVED = Proof(given=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The commands to do, in their order, and those that are refused, each with the reason."""

    commands: list[Command]
    refused: list[tuple[Command, RuleError]]


def admit(authority: Authority, connection: Connection, arrived: Sequence[Arrival], now: datetime) -> Admitted:
    """Judge commands that came for the first time."""
    admitted = Admitted(commands=[], refused=[])
    for arrival, proof in zip(arrived, authority.proofs(connection, arrived, now), strict=True):
        command = arrival.command
        if proof.refused is not None:
            admitted.refused.append((command, proof.refused))
        elif proof.given:
            admitted.commands.append(command)
        elif type(command.event) in _RECOMMENDABLE:
            admitted.commands.append(replace(command, proven=False))
        else:
            admitted.refused.append((command, proof_missing()))
    return admitted


_RECOMMENDABLE = frozenset({MergeCustomers, RecommendMerge})
