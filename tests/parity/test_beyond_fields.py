"""What peers do well with the values of two records that differ: every way to decide, and no guess where none fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from customer_identity.merging import ActorRef, FieldChoice, Merged, MergeOrder, MergeResult, Refused
from customer_identity.merging.survivorship import FOLLOW_ATTRIBUTE, LITERAL, STRATEGIES
from merge_engine import MergeEngine
from rig.fixtures import Connected


@dataclass(frozen=True, kw_only=True)
class Case:
    """A column, what the winner 1 and the losers 2 and 3 say, what the merge must make of it, and what it needs."""

    strategy: str
    says: tuple[Any, Any, Any]
    survives: Any
    type: str = "text"
    needs: Mapping[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {
    "login": Case(strategy="WINNER_STRICT", says=(None, "two", "three"), survives=None),
    "name": Case(strategy="WINNER_THEN_FILL", says=(None, "Two", "Three"), survives="Two"),
    "phone": Case(strategy="RECENCY", says=("1", "2", "3"), survives="2", needs={"time": "phone_at"}),
    "phone_at": Case(
        strategy="FOLLOW_ATTRIBUTE",
        says=(date(2020, 1, 1), date(2022, 1, 1), date(2021, 1, 1)),
        survives=date(2022, 1, 1),
        type="date",
        needs={"follow": "phone"},
    ),
    "first_shop": Case(strategy="OLDEST", says=("x", "y", "z"), survives="z", needs={"time": "since"}),
    "since": Case(
        strategy="MIN",
        says=(date(2020, 1, 1), date(2022, 1, 1), date(2019, 1, 1)),
        survives=date(2019, 1, 1),
        type="date",
    ),
    "email": Case(
        strategy="SOURCE_PRIORITY",
        says=("1@x", "2@x", "3@x"),
        survives="3@x",
        needs={"source": "origin", "order": ["till", "web"]},
    ),
    "origin": Case(strategy="WINNER_STRICT", says=("web", "fax", "till"), survives="web"),
    "colour": Case(strategy="FREQUENCY", says=("red", "blue", "blue"), survives="blue"),
    "tags": Case(
        strategy="UNION",
        says=(["a"], ["b", "a"], ["c"]),
        survives=["a", "b", "c"],
        type="text[]",
        needs={"cap": 250, "over_cap": "TAGS_OVER_LIMIT"},
    ),
    "visits": Case(strategy="MAX", says=(5, 3, 9), survives=9, type="integer"),
    "credit": Case(strategy="SUM", says=(1, 2, 4), survives=7, type="integer"),
    "tier": Case(
        strategy="HIGHEST_RANK", says=("SILVER", None, "GOLD"), survives="GOLD", needs={"order": ["GOLD", "SILVER"]}
    ),
    "notes": Case(
        strategy="CONCAT",
        says=("tea", "jazz", "tea"),
        survives="tea\njazz",
        needs={"cap": 5000, "over_cap": "NOTE_OVER"},
    ),
    "mailing": Case(strategy="MOST_RESTRICTIVE", says=(True, False, True), survives=False, type="boolean"),
    "terms": Case(strategy="LATEST_EVIDENCE", says=("v1", "v2", "v3"), survives="v2", needs={"time": "terms_at"}),
    "terms_at": Case(
        strategy="MAX", says=(date(2020, 1, 1), date(2023, 1, 1), None), survives=date(2023, 1, 1), type="date"
    ),
    "mobile": Case(
        strategy="VERIFIED_FIRST", says=("m1", "m2", "m3"), survives="m3", needs={"verified_column": "mobile_proven"}
    ),
    "mobile_proven": Case(
        strategy="FOLLOW_ATTRIBUTE",
        says=(False, False, True),
        survives=True,
        type="boolean",
        needs={"follow": "mobile"},
    ),
    "born": Case(
        strategy="BLOCK_ON_CONFLICT",
        says=(None, date(1980, 1, 1), date(1980, 1, 1)),
        survives=date(1980, 1, 1),
        type="date",
        needs={"on_conflict": "BIRTH_DATE_CHOICE_REQUIRED"},
    ),
    "status": Case(strategy="LITERAL", says=("OLD", "OLD", "NEW"), survives="REVIEWED", needs={"value": "REVIEWED"}),
    # What the plan would decide, a person decides otherwise for this one merge.
    "job": Case(strategy="WINNER_THEN_FILL", says=("potter", "poet", "cook"), survives="cook"),
    "title": Case(strategy="WINNER_THEN_FILL", says=("Ms", "Mr", None), survives="Dr"),
    "remarks": Case(strategy="CONCAT", says=("one", "two", "three"), survives="one"),
}
CHOICES = (
    FieldChoice(field="job", from_customer_id="3"),
    FieldChoice(field="title", literal="Dr"),
    FieldChoice(field="remarks", strategy="WINNER_STRICT"),
)


@pytest.fixture
def people(connected: Connected) -> Engine:
    """The three records of one person."""
    engine = connected("merge_worker")
    columns = ", ".join(f"{name} {case.type}" for name, case in CASES.items())
    names, values = ", ".join(CASES), ", ".join(f":{name}" for name in CASES)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA peers")
        connection.exec_driver_sql(f"CREATE TABLE peers.people (id bigint PRIMARY KEY, see bigint, {columns})")
        for number in range(3):
            said = {name: case.says[number] for name, case in CASES.items()}
            connection.execute(
                text(f"INSERT INTO peers.people (id, {names}) VALUES (:id, {values})"), {"id": number + 1, **said}
            )
    return engine


@pytest.fixture
def merges(tmp_path: Path) -> MergeEngine:
    """The engine with a plan that decides each column in its own way."""
    fields = "".join(f"  {name}: {_flow({'strategy': one.strategy, **one.needs})}\n" for name, one in CASES.items())
    path = tmp_path / "peers.yaml"
    path.write_text(
        "name: peers\nrevision: 1\ncustomer: {table: peers.people, key: {column: id, type: bigint}}\n"
        f"disposition: {{kind: link, column: see}}\nfields:\n{fields}children: []\n",
        encoding="utf-8",
    )
    return MergeEngine.load(path)


def merge(people: Engine, merges: MergeEngine, choices: Sequence[FieldChoice], command_id: str = "m") -> MergeResult:
    """Merge 2 and 3 into 1."""
    order = MergeOrder(
        tenant_id="t",
        command_id=command_id,
        winner_id="1",
        loser_ids=("2", "3"),
        requested_by=ActorRef(id="ann", roles=("merge",)),
        reason="the same person",
        field_choices=tuple(choices),
    )
    with people.begin() as connection:
        (result,) = merges.merge(connection, [order])
    return result


def record(people: Engine, id_: int = 1) -> dict[str, Any]:
    """What a record says."""
    with people.connect() as connection:
        found = connection.execute(text(f"SELECT {', '.join(CASES)} FROM peers.people WHERE id = :id"), {"id": id_})
        return dict(found.mappings().one())


@pytest.mark.parity(system="Peers beyond them", row="reltio-survivorship")
def test_one_merge_decides_in_every_way_of_survivorship_and_a_person_chooses_otherwise_for_some_fields(
    people: Engine, merges: MergeEngine
) -> None:
    assert {case.strategy for case in CASES.values()} == {*STRATEGIES, FOLLOW_ATTRIBUTE, LITERAL}
    result = merge(people, merges, CHOICES)
    assert isinstance(result, Merged), result
    assert record(people) == {name: case.survives for name, case in CASES.items()}


@pytest.mark.parity(system="Peers beyond them", row="civicrm-conflicts")
def test_a_conflict_that_the_plan_leaves_to_a_person_stops_the_merge_until_one_has_chosen(
    people: Engine, merges: MergeEngine
) -> None:
    with people.begin() as connection:
        connection.exec_driver_sql("UPDATE peers.people SET born = '1990-09-09' WHERE id = 2")
    before = [record(people, id_) for id_ in (1, 2, 3)]
    refused = merge(people, merges, CHOICES)
    assert isinstance(refused, Refused)
    assert [(error.rule, error.field) for error in refused.errors] == [("BIRTH_DATE_CHOICE_REQUIRED", "born")]
    assert [record(people, id_) for id_ in (1, 2, 3)] == before
    chosen = merge(people, merges, [*CHOICES, FieldChoice(field="born", from_customer_id="2")], "chosen")
    assert isinstance(chosen, Merged)
    assert record(people)["born"] == date(1990, 9, 9)


def _flow(terms: Mapping[str, Any]) -> str:
    """The terms on one line of YAML."""
    return "{" + ", ".join(f"{name}: {value}" for name, value in terms.items()) + "}"
