"""Look records up: what is found, scored in the context of the clusters that pairs found before have made."""

from collections.abc import Iterable, Sequence

import numpy as np
from sqlalchemy import Connection

from customer_identity.matching.clusters import Clusters
from customer_identity.matching.context import IRRELEVANT, LINK, in_context
from customer_identity.matching.index import Entry
from customer_identity.matching.matcher import Matcher, Matches
from dedupe_detector.adapters import pair_tables

_Customer = tuple[str, str]
"""(tenant, customer id)"""


def look_up(
    connection: Connection, matcher: Matcher, batch: Sequence[Entry], also: Iterable[tuple[int, int]] = ()
) -> Matches:
    """Pairs of the batch's records with all others, and with those of `also` that blocking does not find.

    A cluster is what pairs told of before link directly to a candidate. Links of the batch's own records do not count:
    they are what is being judged. Pairs that only a cluster brings up are left to it: once it is merged, a candidate
    names all its members.
    """
    matches = matcher.match(batch, only_earlier=False, also=also)
    looked_up = {_customer(entry) for entry in batch}
    likely = np.flatnonzero(matches.score >= IRRELEVANT).tolist()
    wanted = {_customer(matches.right[row]) for row in likely} - looked_up
    linked = [
        ((key.tenant_id, key.a), (key.tenant_id, key.b))
        for key in pair_tables.links(connection, sorted(wanted), LINK)
        if looked_up.isdisjoint(((key.tenant_id, key.a), (key.tenant_id, key.b)))
    ]
    return _in_clusters(matcher, matches, batch, linked) if linked else matches


def _in_clusters(
    matcher: Matcher, matches: Matches, batch: Sequence[Entry], linked: Sequence[tuple[_Customer, _Customer]]
) -> Matches:
    """Records are numbered for this look-up: those held before first, then the batch in its order.

    Most pairs are unlikely, and of nobody in a cluster: they stay as they are.
    """
    clustered = dict.fromkeys(one for pair in linked for one in pair)
    concerned = np.flatnonzero((matches.score >= IRRELEVANT) | matches.right.among(clustered))
    sides = [(_customer(matches.left[row]), _customer(matches.right[row])) for row in concerned.tolist()]
    looked_up = dict.fromkeys(_customer(entry) for entry in batch)
    before = [one for one in dict.fromkeys([*clustered, *(b for _, b in sides)]) if one not in looked_up]
    numbers = {one: number for number, one in enumerate((*before, *looked_up))}
    clusters = Clusters()
    clusters.add(len(numbers))
    for one, other in linked:
        clusters.join(numbers[one], numbers[other])
    ends = np.array([(numbers[a], numbers[b]) for a, b in sides])
    later, earlier = ends.max(axis=1), ends.min(axis=1)
    order = np.argsort(later, kind="stable")
    rows = concerned[order]
    score = matches.score.copy()
    score[rows] = in_context(later[order].tolist(), earlier[order].tolist(), matches.score[rows], clusters).score
    return matches.in_context(score, matcher.model)


def _customer(entry: Entry) -> _Customer:
    return entry.tenant_id, entry.customer_id
