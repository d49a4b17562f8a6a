"""Fit a model to a tenant's records in the index, and to what people decided of them."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from sqlalchemy import Connection

from customer_identity.matching.corrections import Judged, corrected, judged
from customer_identity.matching.index import duplicates_code, records_code
from customer_identity.matching.learning import random_levels
from customer_identity.matching.matcher import Matcher
from customer_identity.matching.model import Model
from customer_identity.matching.training import Observation, fit
from dedupe_detector.adapters import decision_tables, model_tables
from dedupe_detector.adapters.postgres_index import PostgresIndex
from event_runtime.faults import Fault

_SAMPLED_RECORDS: Final = 2_000  # some 20,000 candidate pairs; twice as many say no more, and take twice as long
_BATCH_RECORDS: Final = 100
_RANDOM_PAIRS: Final = 40_000
_MOST_DECISIONS: Final = 2_000  # of the newest


class NoRecords(Fault):
    """The index has no record of this tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedToIndex:
    """A fit, and what it was made of."""

    model: Model
    records: int
    sampled: int
    candidate_pairs: int
    decisions: int
    """Of people, that taught it something."""


def fit_to_index(
    connection: Connection, start: Model, tenant: str, *, sampled_records: int = _SAMPLED_RECORDS
) -> FittedToIndex:
    """From what blocking finds for a sample of the tenant's records among those before them. Raises NoRecords.

    The sample stands for the whole base: the larger it is, the more the priors give way.
    """
    codes = [records_code(tenant), duplicates_code(tenant)]
    records, duplicates = PostgresIndex(connection).counts(codes).tolist()
    entries = model_tables.sample(connection, tenant, sampled_records)
    if not entries:
        raise NoRecords(f"the index has no record of tenant {tenant}: run the service, or backfill, first")
    matcher = Matcher(start, PostgresIndex(connection))
    levels, log_frequency = [], []
    for first in range(0, len(entries), _BATCH_RECORDS):
        # of a batch nothing else is kept: the records that it was compared with are a hundred megabytes in all
        matches = matcher.match(entries[first : first + _BATCH_RECORDS], only_earlier=True)
        levels.append(matches.levels)
        log_frequency.append(matches.log_frequency.astype(np.float32))
    seen = Observation(
        records=records,
        others=float(records),
        levels=np.concatenate(levels),
        log_frequency=np.concatenate(log_frequency),
        pairs_a_row=records / len(entries),
        random_levels=random_levels([entry.record for entry in entries], _RANDOM_PAIRS, seed=records),
    )
    known = _decisions(connection, matcher, tenant)
    decisions = 0 if known is None else len(known)
    model = fit(start, seen, f"{start.version}+{records}" + (f"d{decisions}" if decisions else ""))
    return FittedToIndex(
        model=model if known is None else corrected(model, known, records=records, duplicates=duplicates),
        records=records,
        sampled=len(entries),
        candidate_pairs=len(seen.levels),
        decisions=decisions,
    )


def _decisions(connection: Connection, matcher: Matcher, tenant: str) -> Judged | None:
    """What people decided of pairs whose records are both still there, as they compare today."""
    decided = decision_tables.newest(connection, tenant, _MOST_DECISIONS)
    entries = PostgresIndex(connection).entries_of((tenant, one) for a, b, _ in decided for one in (a, b))
    held = {entry.customer_id: entry for entry in entries}
    labelled = [(held[a], held[b], same) for a, b, same in decided if a in held and b in held]
    if not labelled:
        return None
    lefts, rights, same = zip(*labelled, strict=True)
    return judged(matcher.compare_pairs(lefts, rights), same, matcher.model)
