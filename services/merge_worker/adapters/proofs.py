"""Proof that a command may be carried out: a signature in its record, or an approval in the database."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from event_runtime.key_folder import KeyFolder
from event_runtime.records import MessageKey
from event_runtime.signatures import SIGNATURE_HEADER, BadSignature, ExpiredSignature, SignedRecord, Verifier
from merge_worker.application.admission import Arrival, Proof
from merge_worker.application.authority import signature_expired, signature_invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAuthority:
    """Believes what is signed with a key it knows. A record without a signature has no proof, and no fault either.

    Before each batch the keys are looked at again.
    """

    verifier: Verifier
    keys: KeyFolder

    def proofs(
        self,
        connection: Connection,  # noqa: ARG002 - the protocol's
        arrived: Sequence[Arrival],
        now: datetime,
    ) -> Sequence[Proof]:
        """Return the proof of each command, in their order."""
        self.keys.look_again()
        return [self._proof(arrival, now) for arrival in arrived]

    def _proof(self, arrival: Arrival, now: datetime) -> Proof:
        record = arrival.received.record
        signature = record.headers.get(SIGNATURE_HEADER)
        if signature is None:
            return Proof(given=False)
        signed = SignedRecord(
            tenant_id=arrival.command.tenant_id, event_id=arrival.received.event_id, body=record.value or b""
        )
        try:
            self.verifier.check(signature, signed, now)
        except ExpiredSignature:
            return Proof(given=False, refused=signature_expired())
        except BadSignature as fault:
            return Proof(given=False, refused=signature_invalid(str(fault)))
        return Proof(given=True)


_APPROVED = text(
    """
    SELECT a.tenant_id, a.command_id
      FROM unnest(CAST(:tenants AS text[]), CAST(:commands AS text[]), CAST(:contents AS bytea[]))
           AS asked (tenant_id, command_id, content)
      JOIN merge.approvals a USING (tenant_id, command_id, content)
    """
)
_APPROVE = text(
    "INSERT INTO merge.approvals (tenant_id, command_id, content, approved_by)"
    " VALUES (:tenant_id, :command_id, :content, :approved_by) ON CONFLICT DO NOTHING"
)


class ApprovalAuthority:
    """Believes what has a row in merge.approvals for exactly its content; who may insert there is the guard."""

    def proofs(
        self,
        connection: Connection,
        arrived: Sequence[Arrival],
        now: datetime,  # noqa: ARG002 - the protocol's
    ) -> Sequence[Proof]:
        """Return the proof of each command, in their order."""
        keys = [arrival.command.key for arrival in arrived]
        rows = connection.execute(
            _APPROVED,
            {
                "tenants": [key.tenant_id for key in keys],
                "commands": [key.message_id for key in keys],
                "contents": [arrival.received.digest for arrival in arrived],
            },
        )
        approved = {(row.tenant_id, row.command_id) for row in rows}
        return [Proof(given=key in approved) for key in keys]


def approve(connection: Connection, commands: Iterable[tuple[MessageKey, bytes]], by: str) -> None:
    """Record that somebody approved these contents."""
    rows = [
        {"tenant_id": key.tenant_id, "command_id": key.message_id, "content": digest, "approved_by": by}
        for key, digest in commands
    ]
    if rows:
        connection.execute(_APPROVE, rows)
