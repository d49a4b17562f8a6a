"""The identity map under any history of merges and unmerges, and the waves of a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_identity.merging import Redirect, Refused, Side
from customer_identity.merging.identity import Identity, Member
from customer_identity.merging.identity_map import redirects_of_merge, redirects_of_unmerge, roots_of, subtree_of
from customer_identity.merging.planning import MergePlan
from customer_identity.merging.waves import waves_of
from rig.merging_values import order, plan, policy

IDS = "abcdefgh"


class World:
    """A map kept the way the engine keeps it: only by the redirects that the pure functions answer."""

    def __init__(self) -> None:
        self.edges: dict[str, str] = {}
        self.redirects: dict[str, Redirect] = {}

    def root(self, customer_id: str) -> str:
        found = self.redirects.get(customer_id)
        return customer_id if found is None else found.canonical

    def members(self, root: str) -> list[Member]:
        return [self._member(id_) for id_ in (root, *(id_ for id_ in IDS if id_ != root and self.root(id_) == root))]

    def merge(self, winner: str, losers: list[str]) -> None:
        self.apply(redirects_of_merge(winner, [Identity(members=tuple(self.members(loser))) for loser in losers]))
        self.edges.update(dict.fromkeys(losers, winner))

    def unmerge(self, loser: str) -> None:
        members = {member.customer_id: member for member in self.members(self.root(loser))}
        subtree = [members[id_] for id_ in subtree_of(loser, self.edges)]
        del self.edges[loser]
        self.apply(redirects_of_unmerge(loser, subtree))

    def apply(self, redirects: tuple[Redirect, ...]) -> None:
        for redirect in redirects:
            before = self.redirects.get(redirect.from_id)
            assert redirect.version == (0 if before is None else before.version) + 1, "versions grow by one"
            self.redirects[redirect.from_id] = redirect

    def _member(self, customer_id: str) -> Member:
        found = self.redirects.get(customer_id)
        return Member(
            customer_id=customer_id,
            tenant_id="t",
            version=1,
            direct_to=customer_id if found is None else found.direct_to,
            alias_version=0 if found is None else found.version,
            facts=(),
        )


@given(st.lists(st.tuples(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), min_size=1, max_size=3), st.booleans())))
def test_the_map_is_always_flat_and_says_what_following_the_edges_says(
    history: list[tuple[str, list[str], bool]],
) -> None:
    world = World()
    for winner, losers, taken_apart in history:
        if taken_apart and losers[0] in world.edges:
            world.unmerge(losers[0])
        else:
            roots = [world.root(loser) for loser in dict.fromkeys(losers)]
            distinct = [root for root in dict.fromkeys(roots) if root != world.root(winner)]
            if distinct:
                world.merge(world.root(winner), distinct)
        roots_by_id, circular = roots_of(world.edges)
        assert circular == frozenset()
        for customer_id in IDS:
            root = world.root(customer_id)
            assert root == roots_by_id.get(customer_id, customer_id)
            assert world.root(root) == root, "one step is enough"
            if customer_id in world.edges:
                assert world.redirects[customer_id].direct_to == world.edges[customer_id]


def test_a_chain_is_announced_whole() -> None:
    world = World()
    world.merge("b", ["a"])
    world.merge("c", ["b"])
    assert world.redirects == {
        "a": Redirect(from_id="a", direct_to="b", canonical="c", version=2),
        "b": Redirect(from_id="b", direct_to="c", canonical="c", version=1),
    }


def test_edges_in_a_circle_are_found_and_do_not_hang() -> None:
    roots, circular = roots_of({"a": "b", "b": "c", "c": "a", "x": "a", "y": "z"})
    assert circular == {"a", "b", "c", "x"}
    assert roots == {"y": "z"}


@given(st.lists(st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True), max_size=12))
def test_orders_of_a_wave_never_share_a_root_whatever_the_waves_before_joined(orders: list[list[str]]) -> None:
    waves = waves_of(orders)
    assert sorted(position for wave in waves for position in wave) == list(range(len(orders)))
    joined: dict[str, str] = {id_: id_ for id_ in IDS}
    done: dict[str, int] = {}
    for number, wave in enumerate(waves):
        touched = [root for position in wave for root in {joined[id_] for id_ in orders[position]}]
        assert len(touched) == len(set(touched))
        for position in wave:
            for id_ in orders[position]:
                assert done.get(id_, -1) < position, "orders that share a customer keep their order"
                done[id_] = position
            roots = {joined[id_] for id_ in orders[position]}
            joined = {id_: min(roots) if root in roots else root for id_, root in joined.items()}
        assert wave, number


def test_orders_without_anything_in_common_run_together() -> None:
    assert waves_of([["a", "b"], ["c", "d"], ["b", "e"], []]) == [[0, 1, 3], [2]]


def _crowd(root_id: str, members: int, id_length: int = 1, version: int = 1) -> Identity:
    ids = (root_id, *(f"{root_id}{n}".ljust(id_length, "x") for n in range(1, members)))
    return Identity(
        members=tuple(
            Member(customer_id=id_, tenant_id="t", version=version, direct_to=ids[-1], alias_version=1, facts=())
            for id_ in ids
        )
    )


@pytest.mark.parametrize(
    ("winner", "loser", "fits"),
    [
        (_crowd("a", 9_999), _crowd("b", 1), True),
        (_crowd("a", 9_999), _crowd("b", 2), False),
        (_crowd("a", 1), _crowd("b", 10_000), False),
        (_crowd("a", 1), _crowd("b", 2_000, id_length=200), True),
        (_crowd("a", 1), _crowd("b", 2_400, id_length=200), False),
        (_crowd("a", 1), _crowd("\u00e9", 1_500, id_length=200), True),
    ],
)
def test_an_identity_is_never_more_than_an_event_can_tell(winner: Identity, loser: Identity, fits: bool) -> None:  # noqa: FBT001
    result = plan(order("a", loser.root_id), {"a": winner, loser.root_id: loser}, policy())
    assert isinstance(result, MergePlan) is fits
    if isinstance(result, Refused):
        assert [(error.rule, error.permanent) for error in result.errors] == [("IDENTITY_TOO_LARGE", True)]


def test_a_version_below_zero_is_refused_on_its_side() -> None:
    for winner, loser, side in ((-1, 1, Side.WINNER), (0, -1, Side.LOSER)):
        found = {"a": _crowd("a", 1, version=winner), "b": _crowd("b", 1, version=loser)}
        result = plan(order("a", "b"), found, policy())
        assert isinstance(result, Refused)
        assert [(error.rule, error.side, error.permanent) for error in result.errors] == [
            ("VERSION_NEGATIVE", side, True)
        ]
