"""Found pairs: their state, revision and evidence. A row's lock decides which of two workers tells of a pair."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, text

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
_RECORD = text("""
    INSERT INTO detector.pairs AS p (tenant_id, a, b, state, revision, grade, score, evidence)
    SELECT tenant_id, a, b, state, 1, grade, score, evidence
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[]), CAST(:states AS text[]),
        CAST(:grades AS smallint[]), CAST(:scores AS float8[]), CAST(:evidence AS bytea[]))
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
""")
_OPEN_OF = text("""
    SELECT w.tenant_id, w.customer_id, CASE WHEN p.a = w.customer_id THEN p.b ELSE p.a END AS other
    FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS w (tenant_id, customer_id)
    JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND (p.a = w.customer_id OR p.b = w.customer_id)
    WHERE p.state = 'OPEN'
""")
_LINKS = text("""
    WITH w AS (SELECT * FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS t (tenant_id, customer_id))
    SELECT p.tenant_id, p.a, p.b FROM w JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND p.a = w.customer_id
    WHERE p.state IN ('OPEN', 'MERGED') AND p.score >= :least
    UNION
    SELECT p.tenant_id, p.a, p.b FROM w JOIN detector.pairs p ON p.tenant_id = w.tenant_id AND p.b = w.customer_id
    WHERE p.state IN ('OPEN', 'MERGED') AND p.score >= :least
    ORDER BY tenant_id, a, b
""")
_CLOSE = text("""
    UPDATE detector.pairs p SET state = :state, revision = p.revision + 1, previous_grade = p.grade,
        evidence = CASE WHEN CAST(:forget AS boolean) THEN NULL ELSE p.evidence END, changed_at = clock_timestamp()
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE p.tenant_id = t.tenant_id AND p.a = t.a AND p.b = t.b AND p.state = 'OPEN'
    RETURNING p.tenant_id, p.a, p.b, p.state, p.revision, p.grade, p.previous_grade
""")
_ASSERT = text("""
    INSERT INTO detector.pairs AS p (tenant_id, a, b, state, revision, grade, score, evidence)
    SELECT tenant_id, a, b, 'NOT_DUPLICATE', 0, 0, 0, NULL
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    ORDER BY tenant_id, a, b
    ON CONFLICT (tenant_id, a, b) DO UPDATE SET state = 'NOT_DUPLICATE', changed_at = clock_timestamp()
    WHERE p.state <> 'NOT_DUPLICATE'
""")
_RETRACT = text("""
    UPDATE detector.pairs p SET state = 'WITHDRAWN', evidence = NULL, changed_at = clock_timestamp()
    FROM unnest(CAST(:tenants AS text[]), CAST(:as AS text[]), CAST(:bs AS text[])) AS t (tenant_id, a, b)
    WHERE p.tenant_id = t.tenant_id AND p.a = t.a AND p.b = t.b AND p.state IN ('NOT_DUPLICATE', 'MERGED')
""")
_ASSERTED_AMONG = text("""
    SELECT DISTINCT t.pair FROM unnest(CAST(:pairs AS int[]), CAST(:tenants AS text[]), CAST(:ids AS text[]))
        AS t (pair, tenant_id, customer_id)
    JOIN detector.pairs p ON p.tenant_id = t.tenant_id AND p.a = t.customer_id AND p.state = 'NOT_DUPLICATE'
    JOIN unnest(CAST(:pairs AS int[]), CAST(:tenants AS text[]), CAST(:ids AS text[]))
        AS u (pair, tenant_id, customer_id) ON u.pair = t.pair AND u.customer_id = p.b
""")


def record(connection: Connection, pairs: Iterable[ScoredPair]) -> list[PairChange]:
    """Writes scored pairs; returns those whose evidence is new, each to exactly one of any number of workers."""
    rows = sorted(pairs, key=lambda pair: (pair.key.tenant_id, pair.key.a, pair.key.b))
    if not rows:
        return []
    written = connection.execute(
        _RECORD,
        {
            **_columns([pair.key for pair in rows]),
            "states": [pair.state for pair in rows],
            "grades": [pair.grade for pair in rows],
            "scores": [pair.score for pair in rows],
            "evidence": [pair.evidence for pair in rows],
        },
    )
    return [_change(row) for row in written]


def open_pairs_of(connection: Connection, customers: Sequence[tuple[str, str]]) -> list[PairKey]:
    """Open pairs that (tenant, customer id)s are part of."""
    rows = connection.execute(_OPEN_OF, {"tenants": [t for t, _ in customers], "ids": [c for _, c in customers]})
    found = {pair_key(row.tenant_id, row.customer_id, row.other) for row in rows}
    return sorted(found, key=lambda key: (key.tenant_id, key.a, key.b))


def links(connection: Connection, customers: Sequence[tuple[str, str]], least: float) -> list[PairKey]:
    """Pairs of (tenant, customer id)s that are held for one person, with this score or a better one."""
    if not customers:
        return []
    tenants, ids = (list(column) for column in zip(*customers, strict=True))
    rows = connection.execute(_LINKS, {"tenants": tenants, "ids": ids, "least": least})
    return [PairKey(tenant_id=row.tenant_id, a=row.a, b=row.b) for row in rows]


def close(connection: Connection, keys: Sequence[PairKey], state: str, *, forget: bool = False) -> list[PairChange]:
    """Closes those of the pairs that are open; `forget` drops the evidence, so that the next comparison is news."""
    if not keys:
        return []
    return [_change(row) for row in connection.execute(_CLOSE, {**_columns(keys), "state": state, "forget": forget})]


def assert_not_duplicate(connection: Connection, keys: Sequence[PairKey]) -> list[PairChange]:
    """Marks pairs as different people until their evidence changes; returns those that stood open."""
    closed = close(connection, keys, NOT_DUPLICATE)
    if keys:
        connection.execute(_ASSERT, _columns(sorted(keys, key=lambda key: (key.tenant_id, key.a, key.b))))
    return closed


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
    return set(connection.execute(_ASSERTED_AMONG, {"pairs": pairs, "tenants": tenants, "ids": ids}).scalars())


def _columns(keys: Sequence[PairKey]) -> dict[str, Any]:
    return {"tenants": [key.tenant_id for key in keys], "as": [key.a for key in keys], "bs": [key.b for key in keys]}


def _change(row: Row[Any]) -> PairChange:
    return PairChange(
        key=PairKey(tenant_id=row.tenant_id, a=row.a, b=row.b),
        state=row.state,
        revision=row.revision,
        grade=row.grade,
        previous_grade=row.previous_grade,
    )
