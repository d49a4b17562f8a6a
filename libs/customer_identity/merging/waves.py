"""Orders of one batch that touch the same identity run one after the other, all others together."""

from collections.abc import Hashable, Iterable, Sequence


def waves_of(touched: Sequence[Iterable[Hashable]]) -> list[list[int]]:
    """Split orders, given by the roots each touches, into waves of positions.

    Orders of one wave share no root, whatever the orders of the waves before it did: roots that an earlier order may
    have joined count as one. Orders that share a root keep their order.
    """
    parent: dict[Hashable, Hashable] = {}
    level: dict[Hashable, int] = {}
    waves: list[list[int]] = []
    for position, roots in enumerate(touched):
        groups = {_find(parent, root) for root in roots}
        wave = max((level.get(group, 0) for group in groups), default=0)
        if wave == len(waves):
            waves.append([])
        waves[wave].append(position)
        first, *others = groups or {("order", position)}
        parent.setdefault(first, first)
        for other in others:
            parent[other] = first
        level[first] = wave + 1
    return waves


def _find(parent: dict[Hashable, Hashable], item: Hashable) -> Hashable:
    parent.setdefault(item, item)
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item
