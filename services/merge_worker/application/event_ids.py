"""Ids of the events the worker publishes: computed, so that a retried transaction publishes the same ones.

A terminal outcome has ONE id per command whatever its type; were a command ever to end twice,
readers that drop event ids they have seen would still see one end.
"""

from uuid_utils import UUID, uuid5

# A fixed namespace: changing it would give every command a second terminal event id.
_NAMESPACE = UUID("6d1f7a52-3c0e-5f4b-9b1c-0c6f5f3b7e21")


def terminal_id(tenant_id: str, command_id: str) -> str:
    """Event id of the one terminal outcome of a command."""
    return _id(tenant_id, command_id, "terminal")


def conflict_id(tenant_id: str, command_id: str, digest: bytes) -> str:
    """Event id of the refusal of other content under a command id already used."""
    return _id(tenant_id, command_id, "conflict", digest.hex())


def notice_id(tenant_id: str, command_id: str, notice: str, number: int) -> str:
    """Event id of the `number`-th notice (deferred, recommended, …) about a command."""
    return _id(tenant_id, command_id, notice, str(number))


def request_id(tenant_id: str, command_id: str) -> str:
    """Id of the request a command leaves behind when it cannot end at once."""
    return _id(tenant_id, command_id, "request")


def assertion_id(tenant_id: str, command_id: str) -> str:
    """Id under which a not-a-duplicate assertion completes; there is no merge to name."""
    return _id(tenant_id, command_id, "assertion")


def stream_event_id(tenant_id: str, merge_id: str, name: str, subject: str = "") -> str:
    """Event id of what a merge publishes: CustomerMerged, or the CustomerAlias of `subject`."""
    return _id(tenant_id, merge_id, name, subject)


def _id(*parts: str) -> str:
    # Lengths keep ("a", "bc") and ("ab", "c") apart.
    name = ""
    for part in parts:
        name += f"{len(part)}:{part}"
    return str(uuid5(_NAMESPACE, name))
