"""Table review.identities: the identity map as far as the desk has heard of it. A newer version wins, always."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Where an id leads, and the version of that answer."""

    customer_id: str
    canonical_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """The identities that some ids belong to: canonical id by id, for all their members."""

    canonical: dict[str, str]

    def root(self, customer_id: str) -> str:
        """The canonical id; an id never merged answers itself."""
        return self.canonical.get(customer_id, customer_id)

    def members(self, root: str) -> frozenset[str]:
        """The ids that lead to a canonical id, itself included."""
        return frozenset({root, *(one for one, canonical in self.canonical.items() if canonical == root)})


class IdentityTable:
    """Takes redirects in, and answers who belongs together. Every method runs in the caller's transaction."""

    def apply(self, connection: Connection, tenant_id: str, answers: Iterable[Answer]) -> None:
        """Take in what is newer than the version held."""
        newest = {answer.customer_id: answer for answer in sorted(answers, key=lambda answer: answer.version)}
        ordered = [newest[customer_id] for customer_id in sorted(newest)]
        if ordered:
            connection.execute(
                _APPLY,
                {
                    "tenant_id": tenant_id,
                    "ids": [answer.customer_id for answer in ordered],
                    "canonical_ids": [answer.canonical_id for answer in ordered],
                    "versions": [answer.version for answer in ordered],
                },
            )

    def of(self, connection: Connection, tenant_id: str, customer_ids: Collection[str]) -> Identities:
        """The whole identities of these customers."""
        asked = {"tenant_id": tenant_id, "ids": sorted(set(customer_ids))}
        return Identities(canonical={row.customer_id: row.canonical_id for row in connection.execute(_OF, asked)})


_APPLY = text(
    """
    INSERT INTO review.identities AS held (tenant_id, customer_id, canonical_id, version)
    SELECT :tenant_id, customer_id, canonical_id, version
      FROM unnest(CAST(:ids AS text[]), CAST(:canonical_ids AS text[]), CAST(:versions AS bigint[]))
           AS told (customer_id, canonical_id, version)
        ON CONFLICT (tenant_id, customer_id) DO UPDATE
       SET canonical_id = excluded.canonical_id, version = excluded.version
     WHERE held.version < excluded.version
    """
)
_OF = text(
    """
    WITH roots (canonical_id) AS (
        SELECT coalesce(i.canonical_id, asked) FROM unnest(CAST(:ids AS text[])) AS asked
          LEFT JOIN review.identities i ON i.tenant_id = :tenant_id AND i.customer_id = asked
    )
    SELECT customer_id, canonical_id FROM review.identities
     WHERE tenant_id = :tenant_id AND canonical_id IN (SELECT canonical_id FROM roots)
    """
)
