"""How common the values of records are in their own base: what an equal value is worth depends on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison.fields import FIELDS, GIVEN
from customer_identity.matching.cautions import KNOWN_NAME_HOLDERS
from customer_identity.matching.index import (
    Entries,
    Entry,
    Index,
    duplicates_code,
    filled_codes,
    records_code,
    value_code,
)
from customer_identity.normalise.record import NormalisedRecord

_FIELDS = len(FIELDS)
_GIVEN_NAME: Final = NormalisedRecord._fields.index("given")
_ROOTS: Final = NormalisedRecord._fields.index("roots")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequencies:
    """Of the records of a batch, as the index is now."""

    held: NDArray[np.float64]
    """Records x fields: how many records hold the value, itself among them."""
    filled: NDArray[np.float64]
    """Records x fields: how many of its tenant's records have the field."""
    records: NDArray[np.float64]
    """Records of its tenant."""
    duplicates: NDArray[np.float64]
    """Pairs found among them so far."""


def frequencies(index: Index, batch: Sequence[Entry], others: Entries) -> tuple[Frequencies, NDArray[np.bool_]]:
    """Counts in one question to the index, and whose given name is a name and no slip of another.

    It is one when it is in a nickname group or when enough records hold it; said of the batch's records, then of the
    others.
    """
    tenants = {tenant: place for place, tenant in enumerate(dict.fromkeys(entry.tenant_id for entry in batch))}
    theirs = list(zip(others.customers, others.column(_GIVEN_NAME), others.column(_ROOTS), strict=True))
    unsure = [(at, (tenant, given)) for at, ((tenant, _), given, roots) in enumerate(theirs) if given and not roots]
    names = {name: place for place, name in enumerate(dict.fromkeys(name for _, name in unsure))}
    codes = [
        *chain.from_iterable(entry.value_codes() for entry in batch),
        *chain.from_iterable((*filled_codes(t), records_code(t), duplicates_code(t)) for t in tenants),
        *(value_code(tenant, GIVEN, given) for tenant, given in names),
    ]
    counts = index.counts(codes)
    values, rest = np.split(counts, [len(batch) * _FIELDS])
    bases, often = np.split(rest, [len(tenants) * (_FIELDS + 2)])
    held = values.reshape(len(batch), _FIELDS).astype(np.float64)
    of_tenant = bases.reshape(len(tenants), _FIELDS + 2).astype(np.float64)
    own = of_tenant[np.fromiter((tenants[entry.tenant_id] for entry in batch), np.intp, count=len(batch))]
    known = np.array([*(bool(entry.record.roots) for entry in batch), *(bool(roots) for _, _, roots in theirs)], bool)
    known[: len(batch)] |= held[:, GIVEN] >= KNOWN_NAME_HOLDERS
    places = np.array([names[name] for _, name in unsure], np.intp)
    known[len(batch) + np.array([at for at, _ in unsure], np.intp)] = often[places] >= KNOWN_NAME_HOLDERS
    counted = Frequencies(held=held, filled=own[:, :_FIELDS], records=own[:, _FIELDS], duplicates=own[:, _FIELDS + 1])
    return counted, known
