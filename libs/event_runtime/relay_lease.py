"""The lease of a relay's slot: one row, timed by the database's clock; its token grows each time it changes hands."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from event_runtime.identifiers import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLease:
    """The lease of one slot, as one owner sees it. Each method is one statement."""

    schema: str
    slot: int
    owner: str
    seconds: float

    def take(self, connection: Connection) -> int | None:
        """Take the lease, or keep it: its token; None while somebody else holds it."""
        statement = text(_TAKE.format(schema=quoted(self.schema)))
        parameters = {"slot": self.slot, "owner": self.owner, "seconds": self.seconds}
        token: int | None = connection.execute(statement, parameters).scalar_one_or_none()
        return token

    def release(self, connection: Connection) -> None:
        """Let the next one take it at once."""
        statement = text(_RELEASE.format(schema=quoted(self.schema)))
        connection.execute(statement, {"slot": self.slot, "owner": self.owner})


_TAKE = """
INSERT INTO {schema}.relay_lease AS lease (slot, owner, token, expires_at)
VALUES (:slot, :owner, 1, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (slot) DO UPDATE
SET owner = EXCLUDED.owner, expires_at = EXCLUDED.expires_at,
    token = lease.token + CASE WHEN lease.owner = EXCLUDED.owner THEN 0 ELSE 1 END
WHERE lease.owner = EXCLUDED.owner OR lease.expires_at < clock_timestamp()
RETURNING token
"""

_RELEASE = "UPDATE {schema}.relay_lease SET expires_at = clock_timestamp() WHERE slot = :slot AND owner = :owner"
