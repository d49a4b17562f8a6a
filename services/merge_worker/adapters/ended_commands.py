"""Which commands have ended: those with a terminal outcome in the inbox."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

_ENDED = text(
    """
    SELECT i.tenant_id, i.message_id
      FROM merge.inbox i
      JOIN unnest(CAST(:tenant_ids AS text[]), CAST(:command_ids AS text[])) AS t(tenant_id, message_id)
     USING (tenant_id, message_id)
     WHERE i.outcome_id IS NOT NULL
    """
)


class EndedCommands:
    """Looks commands up in the inbox."""

    def among(self, connection: Connection, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Return those of the (tenant_id, command_id) given that have ended."""
        asked = sorted(set(keys))
        if not asked:
            return set()
        rows = connection.execute(
            _ENDED,
            {"tenant_ids": [tenant for tenant, _ in asked], "command_ids": [command for _, command in asked]},
        )
        return {(row.tenant_id, row.message_id) for row in rows}
