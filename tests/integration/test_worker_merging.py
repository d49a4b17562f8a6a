"""The merge worker on a real PostgreSQL and a real Kafka, as its callers see it."""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import customer_events as wire
from rig.invariants import CODEC, told
from rig.merge_world import MergeWorld, merge, not_duplicate
from rig.processes import eventually


def test_a_merge_moves_the_rows_and_is_told_of_once(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("c1", "a", "b"))
    world.worker()
    completed = world.terminal("c1")
    assert isinstance(completed, wire.MergeCompleted)
    assert (completed.kind, completed.winner_id, completed.sequence) == (wire.OutcomeKind.MERGE, "a", 1)
    assert world.orders() == {"a": 2}
    evidence = world.promises()
    (merged,) = evidence.stream_events
    assert merged.event.merge_id == completed.merge_id
    assert [(one.table, one.rows) for one in merged.event.moved if one.rows] == [("store.orders", 1)]
    (alias,) = evidence.aliases
    assert alias.key == "shop:b"
    assert (alias.event.canonical_id, alias.event.version, alias.event.sequence) == ("a", 1, 1)


def test_merging_each_into_the_other_at_once_merges_once_and_the_other_has_nothing_to_do(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("ab", "b", "a"), partition=0)
    world.produce(merge("ba", "a", "b"), partition=1)
    world.worker(BATCH__MAX_COMMANDS="1")
    world.worker(BATCH__MAX_COMMANDS="1")
    outcomes = [world.terminal("ab"), world.terminal("ba")]
    merged = [one for one in outcomes if isinstance(one, wire.MergeCompleted)]
    idle = [one for one in outcomes if isinstance(one, wire.MergeNoop)]
    assert len(merged) == len(idle) == 1
    assert idle[0].reason is wire.NoopReason.SAME_IDENTITY
    assert idle[0].canonical_id == merged[0].winner_id
    assert world.orders() == {merged[0].winner_id: 2}
    world.promises()


def test_a_chain_is_compressed_and_the_first_alias_gets_version_2(world: MergeWorld) -> None:
    world.customers("a", "b", "c")
    world.produce(merge("ab", "b", "a"), merge("bc", "c", "b"), partition=0)
    world.worker()
    assert isinstance(world.terminal("bc"), wire.MergeCompleted)
    assert world.canonical() == {"a": ("c", 2), "b": ("c", 1)}
    assert world.orders() == {"c": 3}
    evidence = world.promises()
    last = evidence.stream_events[-1].event
    assert {(one.from_, one.direct_to, one.canonical, one.version) for one in last.redirects} == {
        ("a", "b", "c", 2),
        ("b", "c", "c", 1),
    }


def test_a_merge_of_a_customer_merged_elsewhere_is_refused_and_names_where(world: MergeWorld) -> None:
    world.customers("A", "B", "C")
    world.produce(merge("ab", "B", "A"))
    world.worker()
    assert isinstance(world.terminal("ab"), wire.MergeCompleted)
    approval = (wire.Approval(by="bob", at=merge("x", "C", "A").issued_at),)
    world.produce(merge("ac", "C", "A", approvals=approval))
    refused = world.terminal("ac")
    assert isinstance(refused, wire.MergeRejected)
    (error,) = [one for one in refused.errors if one.rule == "LOSER_PREVIOUSLY_MERGED"]
    assert "B" in error.remediation
    assert world.canonical() == {"A": ("B", 1)}
    world.promises()


def test_all_failing_rules_are_listed(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.sql("UPDATE store.customers SET currency = customer_id")
    world.sql("UPDATE store.customers SET has_login = true, legal_hold = true WHERE customer_id = 'b'")
    world.produce(merge("c1", "a", "b"))
    world.worker()
    refused = world.terminal("c1")
    assert isinstance(refused, wire.MergeRejected)
    assert refused.stage is wire.Stage.ELIGIBILITY
    assert {one.rule for one in refused.errors} == {"CURRENCY_MISMATCH", "LOSER_HAS_LOGIN", "LEGAL_HOLD"}
    world.promises()


def test_an_assertion_before_a_merge_in_the_same_batch_stops_it_and_its_withdrawal_lets_it_through(
    world: MergeWorld,
) -> None:
    world.customers("a", "b")
    world.produce(
        not_duplicate("n1", "a", "b"),
        merge("m1", "a", "b"),
        not_duplicate("n2", "a", "b", withdrawn=True),
        merge("m2", "a", "b"),
        partition=0,
    )
    world.worker()
    assert world.terminal("n1").kind is wire.OutcomeKind.NOT_DUPLICATE
    refused = world.terminal("m1")
    assert [one.rule for one in refused.errors] == ["NOT_DUPLICATE_ASSERTED"]
    assert isinstance(world.terminal("m2"), wire.MergeCompleted)
    world.promises()


def test_what_keeps_people_apart_is_withdrawn_only_by_a_person(world: MergeWorld) -> None:
    world.customers("a", "b")
    policy = wire.Actor(id="policy:default", roles=("merge",))
    withdrawal = not_duplicate("n2", "a", "b", withdrawn=True)
    world.produce(
        not_duplicate("n1", "a", "b"),
        withdrawal.model_copy(update={"requested_by": policy}),
        merge("m1", "a", "b"),
        partition=0,
    )
    world.worker()
    refused = world.terminal("n2")
    assert isinstance(refused, wire.MergeRejected)
    assert [(one.rule, one.permanent) for one in refused.errors] == [("PERSON_REQUIRED", True)]
    assert [one.rule for one in world.terminal("m1").errors] == ["NOT_DUPLICATE_ASSERTED"]
    world.promises()


def test_above_a_threshold_of_the_plan_one_approver_is_refused_at_once_and_two_are_heard(
    world: MergeWorld, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.yaml"
    default = resources.files("merge_engine") / "plans" / "default.yaml"
    threshold = "two_people: [{above: 0, rows: {table: store.orders}}]\n"
    plan.write_text(default.read_text(encoding="utf-8") + threshold, encoding="utf-8")
    world.customers("a", "b")

    def approved(command_id: str, *people: str) -> wire.MergeCustomers:
        approvals = tuple(wire.Approval(by=person, at=datetime.now(UTC)) for person in people)
        return merge(command_id, "a", "b", approvals=approvals, on_ineligible=wire.OnIneligible.WAIT)

    world.produce(approved("none"), approved("one", "ann"), approved("same", "ann", "ANN", "policy:p"), partition=0)
    world.worker(PLAN=str(plan))
    for command_id in ("none", "one", "same"):
        refused = world.terminal(command_id)
        assert isinstance(refused, wire.MergeRejected)
        assert [(error.rule, error.side, error.permanent) for error in refused.errors] == [
            ("TWO_PEOPLE_REQUIRED", wire.Side.ACTOR, True)
        ]
        assert "rows of store.orders above 0" in refused.errors[0].message
    assert world.orders() == {"a": 1, "b": 1}
    world.produce(approved("two", "ann", "bob"), partition=0)
    assert isinstance(world.terminal("two"), wire.MergeCompleted)
    assert world.orders() == {"a": 2}
    world.promises()


def test_the_same_id_with_other_content_is_refused_and_leaves_the_stored_outcome_alone(world: MergeWorld) -> None:
    world.customers("a", "b", "c")
    world.produce(merge("c1", "a", "b"), merge("c1", "a", "c"), partition=0)
    world.worker(BATCH__MAX_COMMANDS="1")
    world.rest()
    outcomes = world.outcomes()
    assert sorted(one.type for one in outcomes) == ["MergeCompleted", "MergeRejected"]
    (refused,) = [one for one in outcomes if one.type == "MergeRejected"]
    assert refused.event.errors[0].rule == "IDEMPOTENCY_KEY_REUSED"
    world.produce(merge("c1", "a", "b"), merge("c1", "a", "c"), partition=0)
    world.rest()
    assert len(world.outcomes()) == 4
    assert {one.event_id for one in world.outcomes()} == {one.event_id for one in outcomes}
    evidence = world.promises()
    assert len(evidence.stream_events) == 1


def test_a_command_that_the_database_refuses_ends_alone_and_its_batch_goes_on(world: MergeWorld) -> None:
    world.customers("a", "b", "c", "d", "e", "f")
    # A rule of the database that no plan knows of.
    world.sql("ALTER TABLE store.orders ADD CONSTRAINT odd CHECK (customer_id <> 'c' OR order_number <> 'odd')")
    world.sql("UPDATE store.orders SET order_number = 'odd' WHERE customer_id = 'd'")
    world.produce(merge("1", "a", "b"), merge("2", "c", "d"), merge("3", "e", "f"), partition=0)
    world.worker()
    refused = world.terminal("2")
    assert (refused.stage, refused.errors[0].rule) == (wire.Stage.EXECUTION, "DATABASE_REFUSED")
    assert isinstance(world.terminal("1"), wire.MergeCompleted)
    assert isinstance(world.terminal("3"), wire.MergeCompleted)
    assert world.orders() == {"a": 2, "c": 1, "d": 1, "e": 2}
    world.promises()


def test_unmerge_brings_the_loser_back_with_a_newer_alias(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("c1", "a", "b"))
    world.worker()
    merge_id = world.terminal("c1").merge_id
    world.produce(
        wire.UnmergeCustomers(
            tenant_id="shop",
            command_id="u1",
            merge_id=merge_id,
            requested_by=wire.Actor(id="ann", roles=("merge",)),
            reason="two people after all",
            issued_at=merge("x", "a", "b").issued_at,
        )
    )
    completed = world.terminal("u1")
    assert completed.kind is wire.OutcomeKind.UNMERGE
    assert world.orders() == {"a": 1, "b": 1}
    assert world.canonical() == {"b": ("b", 2)}
    evidence = world.promises()
    assert [one.type for one in evidence.stream_events] == ["CustomerMerged", "CustomerUnmerged"]
    # Undone by a person: the pair is asserted not to be one.
    world.produce(merge("c2", "a", "b"))
    assert [one.rule for one in world.terminal("c2").errors] == ["NOT_DUPLICATE_ASSERTED"]


def test_a_late_order_on_a_merged_away_customer_is_moved_on(world: MergeWorld) -> None:
    world.customers("a", "b")
    world.produce(merge("c1", "a", "b"))
    world.worker(LOOP__RECONCILE_S="0.5")
    world.terminal("c1")
    world.order("b")
    eventually(lambda: world.orders() == {"a": 3})
    world.promises()


def test_undecodable_bytes_are_quarantined_once_and_the_next_record_flows(world: MergeWorld) -> None:
    world.customers("a", "b")
    broken = [b"", b"\x00", b"\xc3\x01" + bytes(8), b"\xff" * 100]
    for topic in ("merge-command", "relink-ack"):
        world.produce_bytes(topic, [(one, {}) for one in broken], partition=0)
    world.produce(merge("c1", "a", "b"), partition=0)
    world.worker()
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    world.promises()
    held = world.sql("SELECT topic, record_offset FROM merge.quarantine ORDER BY topic, record_offset")
    assert [(row.topic.removeprefix(world.prefix), row.record_offset) for row in held] == [
        (topic, offset) for topic in ("merge-command", "relink-ack") for offset in range(4)
    ]
    events = told(world.bootstrap, world.prefix + "merge-quarantine")
    assert len(events) == len({one.event_id for one in events}) == 8


def test_an_event_that_is_no_command_is_quarantined_and_the_next_one_flows(world: MergeWorld) -> None:
    world.customers("a", "b")
    acknowledgement = wire.RelinkAcknowledged(
        tenant_id="shop",
        system="crm",
        merge_id="m",
        status=wire.AckStatus.RELINKED,
        stream=0,
        sequence=1,
        at=merge("x", "a", "b").issued_at,
    )
    world.produce_bytes("merge-command", [(_encoded(acknowledgement), {})], partition=0)
    world.produce(merge("c1", "a", "b"), partition=0)
    world.worker()
    assert isinstance(world.terminal("c1"), wire.MergeCompleted)
    world.promises()
    assert len(world.sql("SELECT FROM merge.quarantine")) == 1


def _encoded(event: wire.AnyEvent) -> bytes:
    return CODEC.encode(event)
