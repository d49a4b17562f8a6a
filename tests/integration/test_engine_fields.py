"""Fields of the winner in columns of many types: literals, choices and strategies through the whole engine."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from customer_identity.merging import ActorRef, FieldChoice, Merged, MergeOrder, Refused
from customer_identity.merging.checks import Subject
from merge_engine import MergeEngine
from rig.fixtures import Connected

PLAN = """
name: fields
revision: 1
customer: {table: shop.clients, key: {column: id, type: bigint}, version: rev}
disposition: {kind: link, column: see}
fields:
  name: WINNER_THEN_FILL
  born: BLOCK_ON_CONFLICT
  credit: SUM
  visits: MAX
  tier: {strategy: HIGHEST_RANK, order: [GOLD, SILVER]}
  code: WINNER_THEN_FILL
  active: MOST_RESTRICTIVE
  opted_out: MOST_RESTRICTIVE
  tags: {strategy: UNION, cap: 4}
  labels: {strategy: UNION}
  mood: WINNER_THEN_FILL
  ref: WINNER_THEN_FILL
  extra: WINNER_THEN_FILL
  phone: {strategy: RECENCY, time: phone_at}
  phone_at: {strategy: FOLLOW_ATTRIBUTE, follow: phone}
  email: {strategy: SOURCE_PRIORITY, source: email_from, order: [POS, WEB]}
  email_from: {strategy: FOLLOW_ATTRIBUTE, follow: email}
  street: WINNER_THEN_FILL
  city: {strategy: FOLLOW_ATTRIBUTE, follow: street}
  status: {strategy: LITERAL, value: REVIEW}
  joined: {strategy: OLDEST, time: joined}
  terms: {strategy: LATEST_EVIDENCE, time: terms_at, evidence: terms_proof}
children: []
rules:
  - rule: TOO_GENEROUS
    side: PAIR
    python: "rule_functions:too_generous"
    facts: [credit]
    message: the credits of the customers are too much together
    remediation: settle one of them
"""
DDL = (
    "CREATE SCHEMA shop",
    "CREATE DOMAIN shop.short AS text CHECK (length(VALUE) < 4)",
    "CREATE TYPE shop.mood AS ENUM ('happy', 'sad')",
    """CREATE TABLE shop.clients (id bigint PRIMARY KEY, rev integer NOT NULL DEFAULT 1, see bigint,
    name varchar(10), born date, credit numeric(10, 2), visits integer, tier text, code shop.short, active boolean,
    opted_out boolean, tags text[], labels text, mood shop.mood, ref uuid, extra jsonb, phone text,
    phone_at timestamptz, email text, email_from text, street text, city text, status text, joined date,
    terms boolean, terms_at timestamptz, terms_proof text)""",
)
FUNCTIONS = '''
def too_generous(subjects, order, now):
    """The customers who have any credit, when it is more than a thousand together."""
    credit = {one.customer_id: one.facts["credit"] or 0 for one in subjects}
    return [id_ for id_, amount in credit.items() if amount] if sum(credit.values()) > 1000 else []
'''


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MergeEngine:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "rule_functions.py").write_text(FUNCTIONS, encoding="utf-8")
    path = tmp_path / "fields.yaml"
    path.write_text(PLAN, encoding="utf-8")
    return MergeEngine.load(path)


@pytest.fixture
def database(connected: Connected) -> Engine:
    engine = connected("merge_worker")
    with engine.begin() as connection:
        for statement in DDL:
            connection.exec_driver_sql(statement)
    return engine


def _client(connection: Connection, id_: int, **columns: object) -> None:
    names = ", ".join(("id", *columns))
    values = ", ".join(f"%({name})s" for name in ("id", *columns))
    connection.exec_driver_sql(f"INSERT INTO shop.clients ({names}) VALUES ({values})", {"id": id_, **columns})


def _kept(connection: Connection, column: str, id_: int = 1) -> object:
    return connection.exec_driver_sql(f"SELECT {column} FROM shop.clients WHERE id = %(id)s", {"id": id_}).scalar_one()


def _order(*choices: FieldChoice, losers: Sequence[str] = ("2",), command_id: str = "c") -> MergeOrder:
    return MergeOrder(
        tenant_id="t",
        command_id=command_id,
        winner_id="1",
        loser_ids=tuple(losers),
        requested_by=ActorRef(id="ann", roles=("merge",)),
        reason="test",
        field_choices=choices,
    )


FITTING = [
    ("name", "O'Neil; --", "O'Neil; --"),
    ("born", "1980-02-29", date(1980, 2, 29)),
    ("credit", "12.5", Decimal("12.50")),
    ("visits", "-7", -7),
    ("code", "abc", "abc"),
    ("active", "no", False),
    ("tags", '{a,"b c"}', ["a", "b c"]),
    ("mood", "sad", "sad"),
    ("extra", "text", "text"),
    ("name", "", ""),
    ("phone", "0" * 100_000, "0" * 100_000),
]
UNFIT = [
    ("name", "longer than ten"),
    ("born", "1981-02-29"),
    ("born", ""),
    ("born", "infinity"),
    ("credit", "a lot"),
    ("credit", "123456789.00"),
    ("visits", "3.5"),
    ("visits", "99999999999"),
    ("visits", "1; DROP TABLE shop.clients"),
    ("code", "abcd"),
    ("active", "maybe"),
    ("tags", "{a"),
    ("mood", "angry"),
    ("ref", "not-a-uuid"),
    ("phone_at", "yesterday-ish"),
    ("name", "a\x00b"),
    ("name", "\ud800"),
]


def test_a_literal_is_a_value_of_the_columns_type_or_one_clear_refusal_that_changes_nothing(
    database: Engine, engine: MergeEngine
) -> None:
    with database.begin() as connection:
        _client(connection, 1, name="Ann", visits=3, status="REVIEW")
        _client(connection, 2, name="Anna", visits=4, status="REVIEW")
        for field, literal, value in FITTING:
            preview = engine.preview(connection, _order(FieldChoice(field=field, literal=literal)))
            assert preview.eligible, (field, literal, preview.failures)
            with connection.begin_nested() as savepoint:
                (result,) = engine.merge(connection, [_order(FieldChoice(field=field, literal=literal))])
                assert isinstance(result, Merged), (field, literal, result)
                assert _kept(connection, f'"{field}"') == value
                savepoint.rollback()
        before = connection.exec_driver_sql("SELECT to_jsonb(c) FROM shop.clients c ORDER BY id").all()
        for field, literal in UNFIT:
            for answer in (
                engine.merge(connection, [_order(FieldChoice(field=field, literal=literal))])[0],
                engine.preview(connection, _order(FieldChoice(field=field, literal=literal))),
            ):
                errors = answer.errors if isinstance(answer, Refused) else answer.failures  # type: ignore[union-attr]
                assert [(error.rule, error.field) for error in errors] == [("FIELD_CHOICE_INVALID", field)], literal
                assert errors[0].message == "the literal does not fit the type of the field"
        assert connection.exec_driver_sql("SELECT to_jsonb(c) FROM shop.clients c ORDER BY id").all() == before


def test_a_bad_literal_stops_its_own_order_and_no_other_one_of_the_batch(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        for id_ in (1, 2, 3, 4):
            _client(connection, id_, name=f"n{id_}")
        good = MergeOrder(
            tenant_id="t",
            command_id="d",
            winner_id="3",
            loser_ids=("4",),
            requested_by=ActorRef(id="ann", roles=("merge",)),
            reason="test",
            field_choices=(FieldChoice(field="visits", literal="12"),),
        )
        bad, done = engine.merge(connection, [_order(FieldChoice(field="visits", literal="many")), good])
        assert isinstance(bad, Refused)
        assert isinstance(done, Merged)
        assert _kept(connection, "visits", 3) == 12


def test_a_choice_takes_a_records_own_value_whatever_its_type(database: Engine, engine: MergeEngine) -> None:
    loser = {"born": date(1990, 1, 1), "credit": Decimal("1.10"), "tags": ["x"], "mood": "sad"}
    with database.begin() as connection:
        _client(connection, 1, born=date(1980, 1, 1), credit=Decimal(5), tags=["y"], mood="happy")
        _client(connection, 2, **loser)
        choices = [FieldChoice(field=field, from_customer_id="2") for field in loser]
        (result,) = engine.merge(connection, [_order(*choices)])
        assert isinstance(result, Merged)
        assert {field: _kept(connection, field) for field in loser} == loser


@pytest.mark.parametrize(
    ("field", "strategy"),
    [("name", "SUM"), ("active", "SUM"), ("extra", "UNION"), ("born", "CONCAT"), ("visits", "UNION"), ("extra", "MAX")],
)
def test_a_strategy_that_does_not_fit_the_column_is_one_clear_refusal(
    database: Engine, engine: MergeEngine, field: str, strategy: str
) -> None:
    values: dict[str, tuple[object, object]] = {
        "name": ("a", "b"),
        "active": (True, False),
        "extra": ('{"a": 1}', '"b"'),
        "born": (date(1980, 1, 1), date(1981, 1, 1)),
        "visits": (1, 2),
    }
    mine, theirs = values[field]
    with database.begin() as connection:
        _client(connection, 1, **{field: mine})
        _client(connection, 2, **{field: theirs})
        (result,) = engine.merge(connection, [_order(FieldChoice(field=field, strategy=strategy))])
    assert isinstance(result, Refused)
    assert [(error.rule, error.field) for error in result.errors] == [("FIELD_CHOICE_INVALID", field)]


EARLY, LATE = "2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"


def test_every_strategy_decides_real_columns(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        _client(
            connection, 1, credit=Decimal("1.10"), visits=3, tier="SILVER", active=True, opted_out=False, tags=["a"],
            labels="vip, loud", phone="111", phone_at=EARLY, email="w@x", email_from="WEB", city="Rome",
            joined=date(2020, 1, 1), terms=True, terms_at=EARLY, terms_proof="form",
        )  # fmt: skip
        _client(
            connection, 2, credit=Decimal("2.20"), visits=9, tier="gold", active=False, opted_out=True, tags=["A", "b"],
            labels="new,VIP", phone=None, phone_at=LATE, email="p@x", email_from="POS", street="Elm 1", city=None,
            joined=date(2018, 1, 1), terms=False, terms_at=LATE, terms_proof="call",
        )  # fmt: skip
        _client(connection, 3, credit=Decimal("0.03"), street="Oak 2", city="Bonn", terms=True, terms_at=LATE)
        (result,) = engine.merge(connection, [_order(losers=("2", "3"))])
        assert isinstance(result, Merged), result
        row = connection.exec_driver_sql("SELECT * FROM shop.clients WHERE id = 1").mappings().one()
        decided = {one.field: (one.strategy, one.from_customer_id) for one in result.field_decisions}
    expected = {
        "credit": Decimal("3.33"),
        "visits": 9,
        "tier": "gold",
        "active": False,
        "opted_out": True,
        "tags": ["a", "b"],
        "labels": "vip, loud, new",
        "phone": None,
        "email": "p@x",
        "email_from": "POS",
        "street": "Elm 1",
        "city": None,
        "status": "REVIEW",
        "joined": date(2018, 1, 1),
        "terms": False,
    }
    assert {field: row[field] for field in expected} == expected
    assert row["phone_at"].isoformat() == LATE, "follows the phone"
    assert decided["phone"] == ("RECENCY", "2"), "that it was cleared was learnt from a record"
    assert decided["credit"] == ("SUM", None)
    assert decided["city"] == ("FOLLOW_ATTRIBUTE", "2")


def test_what_would_be_too_much_together_waits_for_a_choice(database: Engine, engine: MergeEngine) -> None:
    with database.begin() as connection:
        _client(connection, 1, tags=["a", "b"], born=date(1980, 1, 1))
        _client(connection, 2, tags=["c", "d", "e"], born=date(1981, 1, 1))
        (refused,) = engine.merge(connection, [_order()])
        assert isinstance(refused, Refused)
        assert [(error.rule, error.field) for error in refused.errors] == [
            ("FIELD_CONFLICT", "born"),
            ("FIELD_OVER_LIMIT", "tags"),
        ]
        choices = (FieldChoice(field="born", from_customer_id="2"), FieldChoice(field="tags", literal="{a,e}"))
        (merged,) = engine.merge(connection, [_order(*choices)])
        assert isinstance(merged, Merged)
        assert (_kept(connection, "born"), _kept(connection, "tags")) == (date(1981, 1, 1), ["a", "e"])


def test_a_rule_in_python_is_given_the_facts_that_the_plan_names(database: Engine, engine: MergeEngine) -> None:
    assert Subject.__slots__ == ("customer_id", "root_id", "side", "facts")
    with database.begin() as connection:
        _client(connection, 1, credit=Decimal(900))
        _client(connection, 2, credit=Decimal(200))
        _client(connection, 3, credit=None)
        (refused,) = engine.merge(connection, [_order(losers=("2", "3"))])
        assert isinstance(refused, Refused)
        (error,) = refused.errors
        assert (error.rule, error.side.value, error.customer_ids) == ("TOO_GENEROUS", "PAIR", ("1", "2"))
        (passed,) = engine.merge(connection, [_order(losers=("3",))])
        assert isinstance(passed, Merged)
