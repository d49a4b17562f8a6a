"""In which order a batch of commands is done.

Commands of one kind are done together (the engine is set-based), yet a tenant's commands must take
effect in the order they came: a MarkNotDuplicate before a merge of the same pair must be seen by it.
So each tenant's commands are cut into runs of one kind, and the n-th runs of all tenants make a round.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Ordered(Protocol):
    """What the order of a command depends on."""

    @property
    def tenant_id(self) -> str:
        """Whose command it is."""
        ...

    @property
    def command_id(self) -> str:
        """Its id."""
        ...

    @property
    def kind(self) -> str:
        """What kind of command it is."""
        ...

    @property
    def after_command_id(self) -> str | None:
        """The command it is to follow."""
        ...


C = TypeVar("C", bound=Ordered)


def rounds(commands: Sequence[C]) -> list[dict[str, list[C]]]:
    """Cut a batch into rounds; in a round the commands of one kind are given together.

    A command that waits for another one of the same batch (`after_command_id`) is put into a
    later round, so that it finds the other one done.
    """
    done: list[dict[str, list[C]]] = []
    at: dict[str, tuple[int, str, set[str]]] = {}
    for command in commands:
        number, kind, members = at.get(command.tenant_id, (0, command.kind, set()))
        if kind != command.kind or command.after_command_id in members:
            number, kind, members = number + 1, command.kind, set()
        members.add(command.command_id)
        at[command.tenant_id] = (number, kind, members)
        while len(done) <= number:
            done.append({})
        done[number].setdefault(kind, []).append(command)
    return done
