"""Undoing, erasing and converting while another session merges: one waits for the other, and the map stays true."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import (
    ActorRef,
    Merged,
    MergeOrder,
    MergeResult,
    Noop,
    Refused,
    Unmerged,
    UnmergeMode,
    UnmergeOrder,
    UnmergeResult,
)
from customer_identity.merging.conversion import (
    ConversionOrder,
    ConversionRefused,
    ConversionResult,
    Converted,
    PartyType,
)
from merge_engine import AlreadyErased, Erased, ErasureResult, MergeEngine
from rig.crm import ANN, Crm
from rig.customer_rows import TENANT, contents, order, rich_customers, rows
from rig.fixtures import Connected
from rig.meeting import meet, until_done

DEFAULT = MergeEngine.load("default")
Work = Callable[[Connection], object]


@pytest.fixture
def database(database: Engine) -> Engine:
    rich_customers(database, "abcd")
    return database


@pytest.fixture
def b_in_a(database: Engine) -> str:
    """The merge that made b a part of a."""
    merged = until_done(database, merging(order("a", "b", command_id="b in a")))
    assert isinstance(merged, Merged)
    return merged.merge_id


@pytest.fixture
def crm(connected: Connected, tmp_path: Path) -> Crm:
    crm = Crm(connected("merge_worker"), tmp_path)
    for id_ in ("I-1", "I-2"):
        crm.person(id_)
        crm.execute("INSERT INTO crm.orders (company, person_id) VALUES ('acme', :id)", id=id_)
    return crm


def merging(merge_order: MergeOrder, engine: MergeEngine = DEFAULT) -> Callable[[Connection], MergeResult]:
    return lambda connection: engine.merge(connection, [merge_order])[0]


def unmerging(
    merge_id: str, *, mode: UnmergeMode = UnmergeMode.LINEAR, command_id: str = "undo"
) -> Callable[[Connection], UnmergeResult]:
    undo = UnmergeOrder(
        tenant_id=TENANT,
        command_id=command_id,
        merge_id=merge_id,
        mode=mode,
        requested_by=ActorRef(id="test"),
        reason="wrong person",
    )
    return lambda connection: DEFAULT.unmerge(connection, undo)


def erasing(customer_id: str) -> Callable[[Connection], ErasureResult]:
    return lambda connection: DEFAULT.erase(connection, TENANT, customer_id, confirmed=False)


def converting(crm: Crm, customer_id: str, command_id: str = "convert") -> Callable[[Connection], ConversionResult]:
    conversion = ConversionOrder(
        tenant_id="acme",
        command_id=command_id,
        customer_id=customer_id,
        to_type=PartyType.ORGANISATION,
        contact_id=None,
        requested_by=ANN,
        reason="a shop after all",
    )
    return lambda connection: crm.merges.convert(connection, conversion)


def merging_in(crm: Crm, winner_id: str, loser_id: str) -> Callable[[Connection], MergeResult]:
    return merging(order(winner_id, loser_id, requested_by=ANN), crm.merges)


def canonical(database: Engine) -> dict[object, object]:
    """The answer for every customer, after a look whether everything is as the map says."""
    with database.connect() as connection:
        assert list(DEFAULT.verify(connection)) == []
        found = rows(connection, "SELECT c, merge.canonical_id(:t, c) FROM unnest(ARRAY['a','b','c','d']) c", t=TENANT)
    return dict(found)


def orders(database: Engine) -> dict[object, object]:
    """How many orders each customer has; each had two of its own."""
    with database.connect() as connection:
        return dict(rows(connection, "SELECT customer_id, count(*) FROM store.orders GROUP BY 1"))


def rules(result: object) -> list[str]:
    assert isinstance(result, Refused | ConversionRefused), result
    return [error.rule for error in result.errors]


def test_a_merge_that_waits_for_an_undo_merges_whoever_is_left(database: Engine, b_in_a: str) -> None:
    undone, merged = meet(database, unmerging(b_in_a), merging(order("c", "a")))
    assert (type(undone), type(merged)) == (Unmerged, Merged)
    assert canonical(database) == {"a": "c", "b": "b", "c": "c", "d": "d"}
    assert orders(database) == {"b": 2, "c": 4, "d": 2}


def test_a_customer_that_an_undo_sets_free_can_lose_in_the_merge_that_waited(database: Engine, b_in_a: str) -> None:
    undone, merged = meet(database, unmerging(b_in_a), merging(order("d", "b")))
    assert (type(undone), type(merged)) == (Unmerged, Merged)
    assert canonical(database) == {"a": "a", "b": "d", "c": "c", "d": "d"}
    assert orders(database) == {"a": 2, "c": 2, "d": 4}


def test_an_undo_that_waits_for_a_merge_into_the_winner_takes_nothing_of_the_newcomer(
    database: Engine, b_in_a: str
) -> None:
    merged, undone = meet(database, merging(order("a", "c")), unmerging(b_in_a, mode=UnmergeMode.TREE))
    assert (type(merged), type(undone)) == (Merged, Unmerged)
    assert canonical(database) == {"a": "a", "b": "b", "c": "a", "d": "d"}
    assert orders(database) == {"a": 4, "b": 2, "d": 2}


@pytest.mark.parametrize("mode", list(UnmergeMode))
def test_an_undo_that_waits_for_a_merge_of_the_winner_knows_of_it_afterwards(
    database: Engine, b_in_a: str, mode: UnmergeMode
) -> None:
    merged, undone = meet(database, merging(order("c", "a")), unmerging(b_in_a, mode=mode))
    assert isinstance(merged, Merged)
    if mode is UnmergeMode.LINEAR:
        assert rules(undone) == ["UNMERGE_NEWER_FIRST"]
        assert canonical(database) == {"a": "c", "b": "c", "c": "c", "d": "d"}
        assert orders(database) == {"c": 6, "d": 2}
    else:
        assert isinstance(undone, Unmerged)
        assert canonical(database) == {"a": "c", "b": "b", "c": "c", "d": "d"}
        assert orders(database) == {"b": 2, "c": 4, "d": 2}


def test_two_undos_of_one_merge_undo_it_once(database: Engine) -> None:
    with database.connect() as connection:
        before = contents(connection)
    merged = until_done(database, merging(order("a", "b", "c")))
    assert isinstance(merged, Merged)
    first, second = meet(database, unmerging(merged.merge_id), unmerging(merged.merge_id, command_id="again"))
    assert (type(first), type(second)) == (Unmerged, Noop)
    with database.connect() as connection:
        assert contents(connection) == before
        assert rows(connection, "SELECT command_id FROM merge.unmerges") == [("undo",)]
    assert canonical(database) == {id_: id_ for id_ in "abcd"}


@pytest.mark.parametrize("erased_id", ["a", "b"])
def test_a_merge_that_waits_for_an_erasure_is_refused(database: Engine, b_in_a: str, erased_id: str) -> None:
    erased, refused = meet(database, erasing(erased_id), merging(order("c", "a")))
    assert isinstance(erased, Erased)
    assert erased.member_ids == ("a", "b")
    assert "ERASED" in rules(refused)
    assert canonical(database)["c"] == "c"
    assert orders(database)["c"] == 2


@pytest.mark.parametrize("merge_order", [order("c", "a"), order("a", "c")], ids=["c wins", "a wins"])
def test_an_erasure_that_waits_for_a_merge_forgets_whoever_came_with_it(
    database: Engine, b_in_a: str, merge_order: MergeOrder
) -> None:
    merged, erased = meet(database, merging(merge_order), erasing("b"))
    assert isinstance(merged, Merged)
    assert isinstance(erased, Erased)
    assert (erased.canonical_id, set(erased.member_ids)) == (merge_order.winner_id, {"a", "b", "c"})
    assert canonical(database)["d"] == "d"
    with database.connect() as connection:
        assert rows(connection, "SELECT count(*) FROM merge.journal WHERE before IS NOT NULL") == [(0,)]
        assert rows(connection, "SELECT customer_id FROM store.customers WHERE full_name IS NOT NULL") == [("d",)]


@pytest.mark.parametrize("ids", [("a", "a"), ("b", "b"), ("a", "b"), ("b", "a")], ids="-".join)
def test_two_erasures_of_one_identity_erase_it_once(database: Engine, b_in_a: str, ids: tuple[str, str]) -> None:
    first, second = meet(database, *map(erasing, ids))
    assert isinstance(first, Erased)
    assert second == AlreadyErased(canonical_id="a")
    assert canonical(database)["c"] == "c"


def test_two_erasures_of_a_customer_who_was_never_merged_erase_it_once(database: Engine) -> None:
    first, second = meet(database, erasing("d"), erasing("d"))
    assert isinstance(first, Erased)
    assert second == AlreadyErased(canonical_id="d")


def test_an_undo_and_an_erasure_that_meet_never_bring_an_erased_person_back(database: Engine, b_in_a: str) -> None:
    erased, refused = meet(database, erasing("b"), unmerging(b_in_a))
    assert isinstance(erased, Erased)
    assert rules(refused) == ["ERASED"]
    assert orders(database)["a"] == 4


def test_an_erasure_that_waits_for_an_undo_forgets_only_whom_it_names(database: Engine, b_in_a: str) -> None:
    undone, erased = meet(database, unmerging(b_in_a), erasing("b"))
    assert isinstance(undone, Unmerged)
    assert isinstance(erased, Erased)
    assert erased.member_ids == ("b",)
    assert canonical(database)["a"] == "a"
    with database.connect() as connection:
        kept = rows(connection, "SELECT customer_id FROM store.customers WHERE full_name IS NOT NULL ORDER BY 1")
    assert kept == [("a",), ("c",), ("d",)]


@pytest.mark.parametrize(("winner_id", "loser_id"), [("I-1", "I-2"), ("I-2", "I-1")])
def test_a_merge_that_waits_for_a_conversion_is_refused_under_the_old_id(
    crm: Crm, winner_id: str, loser_id: str
) -> None:
    converted, refused = meet(crm.engine, converting(crm, "I-1"), merging_in(crm, winner_id, loser_id))
    assert isinstance(converted, Converted)
    side = "WINNER" if winner_id == "I-1" else "LOSER"
    assert f"{side}_PREVIOUSLY_MERGED" in rules(refused)
    assert crm.map() == {"I-1": ("O-1", "O-1", 1)}
    assert crm.execute("SELECT person_id FROM crm.orders ORDER BY 1") == [("I-2",), ("O-1",)]
    assert crm.findings() == []


def test_a_conversion_that_waits_for_a_merge_takes_whoever_was_merged_along(crm: Crm) -> None:
    merged, converted = meet(crm.engine, merging_in(crm, "I-1", "I-2"), converting(crm, "I-1"))
    assert (type(merged), type(converted)) == (Merged, Converted)
    assert crm.map() == {"I-1": ("O-1", "O-1", 1), "I-2": ("O-1", "I-1", 2)}
    assert crm.execute("SELECT person_id FROM crm.orders") == [("O-1",), ("O-1",)]
    assert crm.findings() == []


def test_a_conversion_that_waits_until_its_customer_is_merged_away_is_refused(crm: Crm) -> None:
    merged, refused = meet(crm.engine, merging_in(crm, "I-2", "I-1"), converting(crm, "I-1"))
    assert isinstance(merged, Merged)
    assert rules(refused)
    assert crm.map() == {"I-1": ("I-2", "I-2", 1)}
    assert crm.execute("SELECT kind FROM crm.people") == [("IND",), ("IND",)]
    assert crm.findings() == []


def test_two_conversions_of_one_customer_convert_it_once(crm: Crm) -> None:
    converted, refused = meet(crm.engine, converting(crm, "I-1"), converting(crm, "I-1", "again"))
    assert isinstance(converted, Converted)
    assert rules(refused)
    assert crm.map() == {"I-1": ("O-1", "O-1", 1)}
    assert crm.execute("SELECT count(*) FROM merge.conversions") == [(1,)]
    assert crm.findings() == []


def test_whatever_comes_first_the_map_is_true_and_nothing_is_lost(database: Engine, b_in_a: str) -> None:
    works: list[Work] = [
        merging(order("c", "a")),
        merging(order("d", "c")),
        unmerging(b_in_a, mode=UnmergeMode.TREE),
        unmerging(b_in_a, mode=UnmergeMode.TREE, command_id="again"),
        erasing("d"),
        erasing("b"),
    ]
    start = Barrier(len(works))

    def run(work: Work) -> object:
        start.wait(20)
        return until_done(database, work)

    with ThreadPoolExecutor(len(works)) as pool:
        results = list(pool.map(run, works))
    assert all(isinstance(one, Merged | Refused | Unmerged | Noop | Erased | AlreadyErased) for one in results)
    canonical(database)
    assert sum(map(int, map(str, orders(database).values()))) == 8
