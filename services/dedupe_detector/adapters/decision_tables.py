"""What people decided of pairs they were told of: the labels that fits learn from."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from dedupe_detector.adapters.pair_tables import PairKey

_DECIDE = text("""
    INSERT INTO detector.decisions AS d (tenant_id, a, b, same)
    SELECT tenant_id, a, b, :same
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    ORDER BY tenant_id, a, b
    ON CONFLICT (tenant_id, a, b) DO UPDATE SET same = excluded.same, decided_at = clock_timestamp()
""")
_REVISE = text("""
    UPDATE detector.decisions d SET same = false, decided_at = clock_timestamp()
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE d.tenant_id = t.tenant_id AND d.a = t.a AND d.b = t.b
""")
_TAKE_BACK = text("""
    DELETE FROM detector.decisions d
    USING unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE d.tenant_id = t.tenant_id AND d.a = t.a AND d.b = t.b
""")
_FORGET = text("""
    DELETE FROM detector.decisions d
    USING unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS t (tenant_id, customer_id)
    WHERE d.tenant_id = t.tenant_id AND (d.a = t.customer_id OR d.b = t.customer_id)
""")
_NEWEST = text("""
    SELECT a, b, same FROM detector.decisions WHERE tenant_id = :tenant ORDER BY decided_at DESC, a, b LIMIT :most
""")
# As many decisions as there are, and those made since the tenant's newest fit.
_COUNTS = text("""
    SELECT d.tenant_id, count(*) AS held,
        count(*) FILTER (WHERE m.fitted_at IS NULL OR d.decided_at > m.fitted_at) AS fresh
    FROM detector.decisions d
    LEFT JOIN (SELECT tenant_id, max(fitted_at) AS fitted_at FROM detector.models GROUP BY tenant_id) AS m
        USING (tenant_id)
    GROUP BY d.tenant_id
""")


def decide(connection: Connection, keys: Sequence[PairKey], *, same: bool) -> None:
    """A person has judged these pairs; what was decided before no longer counts."""
    if keys:
        connection.execute(_DECIDE, {**_columns(keys), "same": same})


def revise(connection: Connection, keys: Sequence[PairKey]) -> None:
    """Of these pairs, those that a person had judged were taken apart again."""
    if keys:
        connection.execute(_REVISE, _columns(keys))


def take_back(connection: Connection, keys: Sequence[PairKey]) -> None:
    """Of these pairs nothing is decided any more."""
    if keys:
        connection.execute(_TAKE_BACK, _columns(keys))


def forget(connection: Connection, customers: Sequence[tuple[str, str]]) -> None:
    """Deletes whatever was decided of erased (tenant, customer id)s."""
    if customers:
        connection.execute(
            _FORGET, {"tenants": [tenant for tenant, _ in customers], "ids": [one for _, one in customers]}
        )


def newest(connection: Connection, tenant: str, most: int) -> list[tuple[str, str, bool]]:
    """(a, b, whether they are one person), the newest decisions first."""
    rows = connection.execute(_NEWEST, {"tenant": tenant, "most": most})
    return [(row.a, row.b, row.same) for row in rows]


def counts(connection: Connection) -> Mapping[str, tuple[int, int]]:
    """By tenant, how many pairs are decided, and how many of them since its newest fit."""
    return {row.tenant_id: (row.held, row.fresh) for row in connection.execute(_COUNTS)}


def _columns(keys: Sequence[PairKey]) -> dict[str, object]:
    ordered = sorted(keys, key=lambda key: (key.tenant_id, key.a, key.b))
    return {
        "tenants": [key.tenant_id for key in ordered],
        "as": [key.a for key in ordered],
        "bs": [key.b for key in ordered],
    }
