"""A command as the use cases see it, whichever of the six it is."""

from typing import cast, get_args

from pydantic import BaseModel

import customer_events as wire
from event_runtime.faults import Fault
from event_runtime.records import MessageKey
from frozen_values import dataclass
from merge_worker.adapters.requests import Request
from merge_worker.application.authority import ROLE_NAMES

AnyCommand = (
    wire.MergeCustomers
    | wire.RecommendMerge
    | wire.RemoveMerge
    | wire.UnmergeCustomers
    | wire.MarkNotDuplicate
    | wire.ConvertCustomer
)

_COMMAND_TYPES = frozenset(get_args(AnyCommand))

_WAITING_TYPES: dict[str, type[wire.MergeCustomers | wire.RecommendMerge]] = {
    "MergeCustomers": wire.MergeCustomers,
    "RecommendMerge": wire.RecommendMerge,
}


class NotACommand(Fault):
    """The event on the command topic is no command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command. `kind` is the name of its event; `proven`: what it says about its actor is believed."""

    event: AnyCommand
    proven: bool = True

    @classmethod
    def of(cls, event: BaseModel) -> "Command":
        """Take an event as a command. Raises NotACommand."""
        # A class of pydantic answers isinstance slowly, and there are six of them.
        if type(event) not in _COMMAND_TYPES:
            raise NotACommand(f"{type(event).__name__} is no command")
        return cls(event=cast("AnyCommand", event))

    @property
    def tenant_id(self) -> str:
        """Whose command it is."""
        return self.event.tenant_id

    @property
    def command_id(self) -> str:
        """The id its caller chose: the idempotency key."""
        return self.event.command_id

    @property
    def kind(self) -> str:
        """The name of its event."""
        return type(self.event).__name__

    @property
    def after_command_id(self) -> str | None:
        """The command it is to follow; only merges can name one."""
        named: str | None = getattr(self.event, "after_command_id", None)
        return named

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles its actor has: those it claims, or without proof no more than to recommend."""
        claimed = self.event.requested_by.roles
        return claimed if self.proven else ("recommend",) if ROLE_NAMES.keys() & set(claimed) else ()

    @property
    def key(self) -> MessageKey:
        """What its one terminal outcome answers."""
        return MessageKey(self.tenant_id, self.command_id)


def waiting_command(request: Request) -> wire.MergeCustomers | wire.RecommendMerge:
    """Return the command a request was made from."""
    return _WAITING_TYPES[request.command_type].model_validate_json(request.command)
