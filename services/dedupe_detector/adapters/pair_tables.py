"""Found pairs: their state, revision and evidence. A row's lock decides which of two workers tells of a pair."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from customer_identity.matching.grades import Grade
from event_runtime.columns import byteas, longs, texts
from event_runtime.database import execute
from frozen_values import dataclass

OPEN: Final = "OPEN"
WITHDRAWN: Final = "WITHDRAWN"
NOT_DUPLICATE: Final = "NOT_DUPLICATE"
MERGED: Final = "MERGED"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairKey:
    """A pair of customers of one tenant, a < b."""

    tenant_id: str
    a: str
    b: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPair:
    """A pair as it was just scored; grade 0: it does not hold."""

    key: PairKey
    state: str
    grade: int
    score: float
    evidence: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PairChange:
    """A pair row that changed. `previous_grade`: what was last told of it, 0 when nothing stands."""

    key: PairKey
    state: str
    revision: int
    grade: int
    previous_grade: int


def pair_key(tenant_id: str, one: str, other: str) -> PairKey:
    """The key of two customers in either order."""
    return PairKey(tenant_id=tenant_id, a=min(one, other), b=max(one, other))


# A pair asserted not-duplicate before it was ever compared (evidence null) takes the first comparison as what was known
# then. A pair row that another worker has just written with the same evidence does not come back: it told of it.
# The same evidence may come to another grade, by a newer model or by other records; what people decided stands.
_RECORD = """
    INSERT INTO detector.pairs AS p (tenant_id, a, b, state, revision, grade, score, evidence)
    SELECT tenant_id, a, b, state, 1, grade, score, evidence
    FROM unnest(%(tenants)s::text[], %(as)s::text[], %(bs)s::text[], %(states)s::text[],
        %(grades)s::smallint[], %(scores)s::float8[], %(evidence)s::bytea[])
        AS t (tenant_id, a, b, state, grade, score, evidence)
    ORDER BY tenant_id, a, b
    ON CONFLICT (tenant_id, a, b) DO UPDATE SET
        evidence = excluded.evidence, score = excluded.score, grade = excluded.grade,
        previous_grade = CASE WHEN p.state = 'OPEN' THEN p.grade ELSE 0 END,
        state = CASE WHEN p.state = 'NOT_DUPLICATE' AND p.evidence IS NULL THEN p.state ELSE excluded.state END,
        revision = p.revision + CASE WHEN p.state = 'OPEN' AND excluded.state = 'OPEN' AND p.grade = excluded.grade
            THEN 0 ELSE 1 END,
        changed_at = clock_timestamp()
    WHERE p.evidence IS DISTINCT FROM excluded.evidence OR (p.state <> 'NOT_DUPLICATE' AND p.grade <> excluded.grade)
    RETURNING tenant_id, a, b, state, revision, grade, previous_grade
"""
_OPEN_OF = """
    WITH w AS (SELECT * FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS t (tenant_id, customer_id))
    SELECT p.tenant_id, p.a, p.b FROM w JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND p.a = w.customer_id
    WHERE p.state = 'OPEN'
    UNION
    SELECT p.tenant_id, p.a, p.b FROM w JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND p.b = w.customer_id
    WHERE p.state = 'OPEN'
    ORDER BY tenant_id, a, b
"""
_LINKS = """
    WITH w AS (SELECT * FROM unnest(%(tenants)s::text[], %(ids)s::text[]) AS t (tenant_id, customer_id))
    SELECT p.tenant_id, p.a, p.b FROM w JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND p.a = w.customer_id
    WHERE p.state IN ('OPEN', 'MERGED') AND p.score >= %(least)s
    UNION
    SELECT p.tenant_id, p.a, p.b FROM w JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND p.b = w.customer_id
    WHERE p.state IN ('OPEN', 'MERGED') AND p.score >= %(least)s
    ORDER BY tenant_id, a, b
"""
_CLOSE = text("""
    UPDATE detector.pairs p SET state = :state, revision = p.revision + 1, previous_grade = p.grade,
        evidence = CASE WHEN CAST(:forget AS boolean) THEN NULL ELSE p.evidence END, changed_at = clock_timestamp()
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE p.tenant_id = t.tenant_id AND p.a = t.a AND p.b = t.b AND p.state = 'OPEN'
    RETURNING p.tenant_id, p.a, p.b, p.state, p.revision, p.grade, p.previous_grade
""")
# Whoever is writing one of these pairs is waited for: what it tells of has to be withdrawn.
_PLACE = text("""
    INSERT INTO detector.pairs (tenant_id, a, b, state, revision, grade, score, evidence)
    SELECT tenant_id, a, b, 'NOT_DUPLICATE', 0, 0, 0, NULL
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    ORDER BY tenant_id, a, b ON CONFLICT DO NOTHING
""")
_LOCK = text("""
    SELECT FROM detector.pairs p
    JOIN unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
        USING (tenant_id, a, b)
    ORDER BY p.tenant_id, p.a, p.b FOR UPDATE OF p
""")
_ASSERT = text("""
    UPDATE detector.pairs p SET state = 'NOT_DUPLICATE', changed_at = clock_timestamp()
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE p.tenant_id = t.tenant_id AND p.a = t.a AND p.b = t.b AND p.state <> 'NOT_DUPLICATE'
""")
_MERGED_AMONG = text("""
    SELECT a, b FROM detector.pairs WHERE tenant_id = :tenant AND state = 'MERGED'
        AND a = ANY(CAST(:ids AS text[])) AND b = ANY(CAST(:ids AS text[])) ORDER BY a, b
""")
_RETRACT = text("""
    UPDATE detector.pairs p SET state = 'WITHDRAWN', evidence = NULL, changed_at = clock_timestamp()
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE p.tenant_id = t.tenant_id AND p.a = t.a AND p.b = t.b AND p.state IN ('NOT_DUPLICATE', 'MERGED')
""")
_ASSERTED_AMONG = """
    SELECT DISTINCT t.pair FROM unnest(%(pairs)s::bigint[], %(tenants)s::text[], %(ids)s::text[])
        AS t (pair, tenant_id, customer_id)
    JOIN detector.pairs p ON p.tenant_id = t.tenant_id AND p.a = t.customer_id AND p.state = 'NOT_DUPLICATE'
    JOIN unnest(%(pairs)s::bigint[], %(tenants)s::text[], %(ids)s::text[])
        AS u (pair, tenant_id, customer_id) ON u.pair = t.pair AND u.customer_id = p.b
"""
_BY_GRADE = text("""
    SELECT grade, count(*) AS pairs FROM detector.pairs
    WHERE state = 'OPEN' AND (CAST(:tenant AS text) IS NULL OR tenant_id = :tenant) GROUP BY grade
""")


def record(connection: Connection, pairs: Iterable[ScoredPair]) -> list[PairChange]:
    """Writes scored pairs; returns those whose evidence is new, each to exactly one of any number of workers."""
    rows = sorted(pairs, key=lambda pair: (pair.key.tenant_id, pair.key.a, pair.key.b))
    if not rows:
        return []
    written = execute(
        connection,
        _RECORD,
        {
            **_columns([pair.key for pair in rows]),
            "states": [pair.state for pair in rows],
            "grades": [pair.grade for pair in rows],
            "scores": [pair.score for pair in rows],
            "evidence": byteas([pair.evidence for pair in rows]),
        },
    )
    return [_change(row) for row in written]


def open_pairs_of(connection: Connection, customers: Sequence[tuple[str, str]]) -> list[PairKey]:
    """Open pairs that (tenant, customer id)s are part of."""
    return _pairs(connection, _OPEN_OF, customers)


def links(connection: Connection, customers: Sequence[tuple[str, str]], least: float) -> list[PairKey]:
    """Pairs of (tenant, customer id)s that are held for one person, with this score or a better one."""
    return _pairs(connection, _LINKS, customers, least=least)


def close(connection: Connection, keys: Sequence[PairKey], state: str, *, forget: bool = False) -> list[PairChange]:
    """Closes those of the pairs that are open; `forget` drops the evidence, so that the next comparison is news."""
    if not keys:
        return []
    closed = connection.execute(_CLOSE, {**_columns(keys), "state": state, "forget": forget})
    return [_change(tuple(row)) for row in closed]


def assert_not_duplicate(connection: Connection, keys: Sequence[PairKey]) -> list[PairChange]:
    """Marks pairs as different people until their evidence changes; returns those that stood open."""
    if not keys:
        return []
    columns = _columns(sorted(keys, key=lambda key: (key.tenant_id, key.a, key.b)))
    connection.execute(_PLACE, columns)
    connection.execute(_LOCK, columns)
    closed = close(connection, keys, NOT_DUPLICATE)
    connection.execute(_ASSERT, columns)
    return closed


def merged_among(connection: Connection, tenant_id: str, customers: Sequence[str]) -> list[PairKey]:
    """Pairs of these customers that were closed because they became one identity."""
    rows = connection.execute(_MERGED_AMONG, {"tenant": tenant_id, "ids": sorted(customers)})
    return [PairKey(tenant_id=tenant_id, a=row.a, b=row.b) for row in rows]


def retract(connection: Connection, keys: Sequence[PairKey]) -> None:
    """Lets pairs that were asserted or merged be found again as if for the first time."""
    if keys:
        connection.execute(_RETRACT, _columns(keys))


def asserted_among(connection: Connection, members: Sequence[tuple[str, Sequence[str]]]) -> set[int]:
    """Positions of those (tenant, customer ids) groups in which some pair is asserted not to be one person."""
    flat = [(at, tenant, one) for at, (tenant, ids) in enumerate(members) for one in ids]
    if not flat:
        return set()
    pairs, tenants, ids = (list(column) for column in zip(*flat, strict=True))
    asked = {"pairs": longs(pairs), "tenants": texts(tenants), "ids": texts(ids)}
    return {pair for (pair,) in execute(connection, _ASSERTED_AMONG, asked)}


class Standing(NamedTuple):
    """Pairs that stand open, by grade."""

    certain: int
    probable: int
    possible: int


def standing_by_grade(connection: Connection, tenant_id: str | None) -> Standing:
    """How many pairs of a tenant, or of all of them, stand open."""
    pairs = {row.grade: row.pairs for row in connection.execute(_BY_GRADE, {"tenant": tenant_id})}
    return Standing(*(pairs.get(grade, 0) for grade in (Grade.CERTAIN, Grade.PROBABLE, Grade.POSSIBLE)))


def _columns(keys: Sequence[PairKey]) -> dict[str, Any]:
    return {"tenants": [key.tenant_id for key in keys], "as": [key.a for key in keys], "bs": [key.b for key in keys]}


def _pairs(
    connection: Connection, statement: str, customers: Sequence[tuple[str, str]], **more: float
) -> list[PairKey]:
    if not customers:
        return []
    tenants, ids = (list(column) for column in zip(*customers, strict=True))
    rows = execute(connection, statement, {"tenants": texts(tenants), "ids": texts(ids), **more})
    return [PairKey(tenant_id=tenant, a=a, b=b) for tenant, a, b in rows]


def _change(row: tuple[Any, ...]) -> PairChange:
    tenant, a, b, state, revision, grade, previous_grade = row
    return PairChange(
        key=PairKey(tenant_id=tenant, a=a, b=b),
        state=state,
        revision=revision,
        grade=grade,
        previous_grade=previous_grade,
    )
