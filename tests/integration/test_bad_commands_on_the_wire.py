"""Records and commands of all kinds that nobody should send, to a real worker: one answer each, nothing changed."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest

import customer_events as wire
from event_runtime.database import create_engine
from rig.customer_rows import contents
from rig.invariants import CODEC
from rig.merge_world import TENANT, MergeWorld, convert, merge, not_duplicate

ANN = wire.Actor(id="ann", roles=("merge",))
AT = datetime(2026, 3, 1, tzinfo=UTC)
SQL = "'; DROP TABLE store.customers; --"
SQL_AS_PATTERN = "%(merge_ids)s {0} $1 \\'); DELETE FROM merge.outbox; --"
SCHEMA = json.loads((wire.schemas_directory() / "merge-customers.v1.avsc").read_text("utf-8"))


@pytest.fixture
def full_world(world: MergeWorld) -> MergeWorld:
    world.customers("a", "b", "c", "d")
    world.customers("a", "z", tenant_id="elsewhere")
    return world


def _store(world: MergeWorld) -> dict[str, list[str]]:
    engine = create_engine(world.database_url)
    with engine.connect() as connection:
        found = contents(connection, but=())
    engine.dispose()
    return found


def _written(schema: dict[str, Any] | None = None, **fields: object) -> bytes:
    """A command as a program writes it that does not ask our models; with another schema, under its fingerprint."""
    valid = merge("bad", "a", "b")
    content = json.loads(valid.model_dump_json()) | {"issued_at": AT} | fields
    parsed = fastavro.parse_schema(schema or SCHEMA)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, parsed, content)
    frame = CODEC.encode(valid)[:10]
    if schema is not None:
        canonical = fastavro.schema.to_parsing_canonical_form(parsed)
        frame = frame[:2] + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    return frame + written.getvalue()


def _changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(json.dumps(SCHEMA))
    change(schema)
    return schema


def _a_field_more(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "colour", "type": "string", "default": "red"})


def _a_number_as_winner(schema: dict[str, Any]) -> None:
    (field,) = [one for one in schema["fields"] if one["name"] == "winner_id"]
    field.update(type="long", default=0)


BAD_RECORDS = {
    "unknown field": (_written(_changed(_a_field_more), colour="blue"), "UNKNOWN_SCHEMA"),
    "wrong type": (_written(_changed(_a_number_as_winner), winner_id=5), "UNKNOWN_SCHEMA"),
    "no losers": (_written(loser_ids=[]), "INVALID"),
    "more losers than any list may have": (_written(loser_ids=[str(n) for n in range(10_001)]), "INVALID"),
    "an id of a megabyte": (_written(winner_id="x" * 990_000), "INVALID"),
    "a reason of a megabyte": (_written(reason="x" * 990_000), "INVALID"),
    "a megabyte and more": (_written(reason="x" * 1_020_000), "TOO_LARGE"),
    "a NUL in an id": (_written(winner_id="a\0"), "INVALID"),
    "a tenant with a colon": (_written(tenant_id="shop:a"), "INVALID"),
    "no tenant": (_written(tenant_id=""), "INVALID"),
    "cut short": (_written()[:-3], "MALFORMED"),
    "something behind it": (_written() + b"\0", "MALFORMED"),
    "JSON": (merge("bad", "a", "b").model_dump_json().encode(), "NOT_AVRO"),
}


def test_a_record_that_is_no_command_is_put_aside_once_with_its_reason_and_the_next_one_goes_on(
    full_world: MergeWorld,
) -> None:
    world = full_world
    before = _store(world)
    world.produce_bytes("merge-command", [(value, {}) for value, _ in BAD_RECORDS.values()], partition=0)
    world.worker()
    world.rest()
    held = world.sql("SELECT class AS kind, reason FROM merge.quarantine ORDER BY record_offset")
    assert {name: row.kind for name, row in zip(BAD_RECORDS, held, strict=True)} == {
        name: expected for name, (_, expected) in BAD_RECORDS.items()
    }
    for row in held:
        assert row.reason
        assert len(row.reason) < 500
        assert "xxxx" not in row.reason
    assert world.sql("SELECT FROM merge.inbox") == []
    assert world.outcomes() == []
    assert _store(world) == before
    world.produce(merge("good", "a", "b"), partition=0)
    assert isinstance(world.terminal("good"), wire.MergeCompleted)
    world.promises()


def _unmerge(command_id: str, merge_id: str, *losers: str, tenant_id: str = TENANT) -> wire.UnmergeCustomers:
    return wire.UnmergeCustomers(
        tenant_id=tenant_id,
        command_id=command_id,
        merge_id=merge_id,
        loser_ids=losers,
        requested_by=ANN,
        reason="wrong person",
        issued_at=AT,
    )


def _remove(command_id: str, **named: str) -> wire.RemoveMerge:
    return wire.RemoveMerge(
        **({"tenant_id": TENANT, "command_id": command_id, "requested_by": ANN, "reason": "x"} | named)
    )


def _recommend(command_id: str, winner_id: str | None, *losers: str, tenant_id: str = TENANT) -> wire.RecommendMerge:
    return wire.RecommendMerge(
        tenant_id=tenant_id,
        command_id=command_id,
        winner_id=winner_id,
        loser_ids=losers,
        requested_by=ANN,
        reason="the same person",
        issued_at=AT,
    )


def _foreign(command: Any) -> Any:
    return command.model_copy(update={"tenant_id": "elsewhere"})


def test_each_bad_command_of_another_kind_ends_in_one_rejection_and_changes_nothing(full_world: MergeWorld) -> None:
    world = full_world
    world.worker(DEFERRAL__CUSTOMER_NOT_FOUND_S="0")
    world.produce(merge("m", "c", "d"))
    merge_id = world.terminal("m").merge_id
    before, map_before = _store(world), world.canonical()
    look_alike = merge_id.translate(
        str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")
    )
    expected = {
        "unmerge nothing": (_unmerge("unmerge nothing", "no-such-merge"), "MERGE_NOT_FOUND"),
        "unmerge a look-alike": (_unmerge("unmerge a look-alike", look_alike), "MERGE_NOT_FOUND"),
        "unmerge another's": (_unmerge("unmerge another's", merge_id, tenant_id="elsewhere"), "MERGE_NOT_FOUND"),
        "unmerge a stranger": (_unmerge("unmerge a stranger", merge_id, "a"), "NOT_A_LOSER"),
        "convert nobody": (convert("convert nobody", "nobody"), "CUSTOMER_NOT_FOUND"),
        "convert a look-alike": (convert("convert a look-alike", "\u0430"), "CUSTOMER_NOT_FOUND"),
        "convert another's": (_foreign(convert("convert another's", "b")), "CUSTOMER_NOT_FOUND"),
        "convert who is gone": (convert("convert who is gone", "d"), "CUSTOMER_MERGED_AWAY"),
        "mark one": (not_duplicate("mark one", "a", "a"), "SAME_RECORD"),
        "mark who are one": (not_duplicate("mark who are one", "c", "d"), "ALREADY_MERGED"),
        "remove nothing": (_remove("remove nothing"), "REQUEST_NOT_FOUND"),
        "remove no id": (_remove("remove no id", request_id="nothing"), "REQUEST_NOT_FOUND"),
        "remove nobody's": (_remove("remove nobody's", customer_id="nobody"), "REQUEST_NOT_FOUND"),
        "recommend itself": (_recommend("recommend itself", "a", "a"), "SAME_RECORD"),
        "recommend a crowd": (
            _recommend("recommend a crowd", "a", *(f"c{n}" for n in range(2_000))),
            "TOO_MANY_CUSTOMERS",
        ),
        "recommend one": (_recommend("recommend one", None, "a"), "TOO_FEW_CUSTOMERS"),
    }
    world.produce(*(command for command, _ in expected.values()))
    world.rest()
    found = {}
    for name, (command, _) in expected.items():
        outcome = world.terminal(name, tenant_id=command.tenant_id)
        assert isinstance(outcome, wire.MergeRejected), (name, outcome)
        assert all(error.message and error.remediation for error in outcome.errors)
        found[name] = [error.rule for error in outcome.errors]
    assert found == {name: [rule] for name, (_, rule) in expected.items()}
    assert (_store(world), world.canonical()) == (before, map_before)
    world.promises()


@pytest.mark.parametrize("text", [SQL, SQL_AS_PATTERN], ids=["quote", "pattern"])
def test_sql_in_every_string_of_every_other_kind_is_only_a_string(full_world: MergeWorld, text: str) -> None:
    world = full_world
    before = _store(world)
    said = {"requested_by": wire.Actor(id=text, roles=("merge", text)), "reason": text}
    commands = [
        one.model_copy(update=said)
        for one in (
            _unmerge(f"1{text}", text, text),
            convert(f"2{text}", text).model_copy(update={"relationship": text}),
            not_duplicate(f"3{text}", text, f"{text}2"),
            _remove(f"4{text}", request_id=text),
            _remove(f"5{text}", customer_id=f"{text}3"),
        )
    ]
    recommended = _recommend(f"6{text}", text, f"{text}2").model_copy(update=said | {"facilitator_id": text})
    world.worker(DEFERRAL__CUSTOMER_NOT_FOUND_S="0")
    world.produce(*commands, recommended)
    for command in commands:
        # What is no duplicate may be said of customers who are still to come.
        answer = wire.MergeCompleted if isinstance(command, wire.MarkNotDuplicate) else wire.MergeRejected
        assert isinstance(world.terminal(command.command_id), answer), command.command_id
    (notice,) = world.notices(recommended.command_id)
    assert isinstance(notice, wire.MergeRecommended)
    assert not notice.eligible
    assert _store(world) == before
    world.promises()
