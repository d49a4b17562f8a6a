"""Previews, searches, accounts and checks of a plan, on a real PostgreSQL."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from customer_identity.merging import (
    ActorRef,
    FieldDecision,
    Merged,
    MergeOrder,
    Moved,
    NotDuplicateOrder,
    Unmerged,
    UnmergeOrder,
)
from merge_engine import FindingKind, Identifier, MergeEngine, SearchCriteria
from rig.customer_rows import TENANT, contents, customer, insert, order, rich_customer, rows

DEFAULT = MergeEngine.load("default")


@pytest.mark.parametrize(
    "previewed",
    [order("a", "b"), order("b", "a"), order(None, "a", "b", "c"), order("c", "b", "a")],
    ids=["pair", "reversed", "chosen", "three"],
)
def test_a_preview_says_what_the_merge_then_does(database: Engine, previewed: MergeOrder) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a", notes="calls late", gender="f")
        rich_customer(connection, "b", occupation="baker")
        rich_customer(connection, "c", notes="likes tea", created_at="2020-01-01T00:00:00Z")
        before = contents(connection, but=())
    with database.begin() as connection:
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        preview = DEFAULT.preview(connection, previewed)
        (judged,) = DEFAULT.eligibility(connection, [previewed])
    with database.begin() as connection:
        assert contents(connection, but=()) == before
        (merged,) = DEFAULT.merge(connection, [previewed])
        assert isinstance(merged, Merged)
    assert preview.eligible
    assert preview.winner_id == merged.winner.id
    assert preview.loser_ids == tuple(loser.id for loser in merged.losers)
    assert preview.moves == merged.moved
    assert tuple(field.decision for field in preview.fields) == merged.field_decisions
    assert judged == replace(preview, moves=(), fields=(), rules=judged.rules)
    assert [check.rule for check in judged.rules if not check.passed] == [
        check.rule for check in preview.rules if not check.passed
    ]


def test_a_preview_shows_each_decision_with_the_other_records_values(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a", full_name="Ann")
        customer(connection, "b", full_name="Anna", occupation="baker")
        preview = DEFAULT.preview(connection, order("a", "b"))
    name, occupation = (field for field in preview.fields if field.decision.field != "created_at")
    assert name.decision == FieldDecision(field="full_name", strategy="WINNER_THEN_FILL", from_customer_id="a")
    assert (name.value, name.alternatives) == ("Ann", {"a": "Ann", "b": "Anna"})
    assert (occupation.value, occupation.alternatives) == ("baker", {"b": "baker"})


def test_a_preview_lists_all_failing_rules_and_names_those_that_pass(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a", currency="EUR")
        customer(connection, "b", currency="USD", has_login=True, legal_hold=True)
        email = {"email": "x", "email_key": "x", "verified": False, "is_primary": True}
        insert(connection, "emails", tenant_id=TENANT, customer_id="a", **email)
        assertion = NotDuplicateOrder(
            tenant_id=TENANT, command_id="n", customer_ids=("a", "b"), requested_by=ActorRef(id="t"), reason="twins"
        )
        DEFAULT.assert_not_duplicate(connection, assertion)
        preview = DEFAULT.preview(connection, order("a", "b", expected_versions={"b": 7}))
    assert not preview.eligible
    assert [failure.rule for failure in preview.failures] == [
        "STALE_VERSION",
        "NOT_DUPLICATE_ASSERTED",
        "LEGAL_HOLD",
        "LOSER_HAS_LOGIN",
        "CURRENCY_MISMATCH",
    ]
    assert [warning.rule for warning in preview.warnings] == ["WINNER_EMAIL_UNCONFIRMED"]
    assert "LOYALTY_PROGRAM_DIFFERS" in preview.passed
    assert "LEGAL_HOLD" not in preview.passed
    assert preview.versions == {"a": 1, "b": 1}


def test_a_preview_of_customers_that_do_not_exist_or_are_one_already_says_so(database: Engine) -> None:
    with database.begin() as connection:
        customer(connection, "a")
        customer(connection, "b")
        missing = DEFAULT.preview(connection, order("a", "ghost"))
        DEFAULT.merge(connection, [order("a", "b")])
        same = DEFAULT.preview(connection, order("b", "a"))
    assert [failure.rule for failure in missing.failures] == ["CUSTOMER_NOT_FOUND"]
    assert same.noop is not None
    assert same.noop.canonical_id == "a"


def test_customers_are_found_by_what_is_known_of_them(database: Engine) -> None:
    with database.begin() as connection:
        rich_customer(connection, "a", given_name="Ann", family_name="O'Neil", national_id="123-45", source="web")
        rich_customer(connection, "b", given_name="Bob", family_name="Neilson")
        customer(connection, "c", full_name="Ann% Other", tenant_id="other")

        def found(**criteria: str) -> list[str]:
            return [one.customer_id for one in DEFAULT.search(connection, TENANT, SearchCriteria(**criteria))]

        assert found(name="o'ne") == ["a"]
        assert found(name="nei") == ["b"]
        assert found(name="Name of") == ["a", "b"]
        assert found(name="%") == []
        assert found(email="A@Example.com") == ["a"]
        assert found(phone="1 (555) 0100") == ["a", "b"]
        assert found(national_id="123-45") == ["a"]
        assert found(postal_code="12345", customer_id="b") == ["b"]
        assert found(postal_code="99999") == []
        assert found() == []
        (summary,) = DEFAULT.search(connection, TENANT, SearchCriteria(customer_id="a"))
    assert (summary.source, summary.status, summary.display_name) == ("web", "ACTIVE", "Name of a")
    assert Identifier(kind="email", value="a@example.com", verified=True) in summary.identifiers
    assert Identifier(kind="national_id", value="123-45", verified=None) in summary.identifiers


def test_an_account_shows_what_hangs_on_it_and_who_became_part_of_it(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            rich_customer(connection, customer_id)
        DEFAULT.merge(connection, [order("b", "c")])
        DEFAULT.merge(connection, [order("a", "b", reason="same person")])
        account = DEFAULT.account(connection, TENANT, "a")
        loser = DEFAULT.account(connection, TENANT, "c")
        nobody = DEFAULT.account(connection, TENANT, "ghost")
    assert nobody is None
    assert account is not None
    assert account.rows["store.orders"] == 6
    assert account.rows["store.consents"] == 0
    assert [(merged.customer_id, merged.direct_to) for merged in account.merged_accounts] == [("c", "b"), ("b", "a")]
    assert account.merged_accounts[1].reason == "same person"
    assert loser is not None
    assert (loser.summary.merged_into, loser.canonical.canonical_id, loser.canonical.version) == ("a", "a", 2)


def test_verification_finds_a_map_that_was_tampered_with(database: Engine) -> None:
    with database.begin() as connection:
        for customer_id in "abcd":
            customer(connection, customer_id)
        (merged, _) = DEFAULT.merge(connection, [order("b", "a"), order("d", "c")])
        assert isinstance(merged, Merged)
        change = connection.exec_driver_sql
        change("UPDATE merge.canonical SET canonical_id = 'c' WHERE customer_id = 'a'")
        insert(connection, "loyalty_accounts", tenant_id=TENANT, customer_id="b", program="p", points=3)
        kinds = {(finding.kind, finding.customer_id) for finding in DEFAULT.verify(connection)}
        assert kinds == {
            (FindingKind.MAP_NOT_FLAT, "a"),
            (FindingKind.MAP_DIFFERS_FROM_EDGES, "a"),
            (FindingKind.LINK_DIFFERS_FROM_MAP, "a"),
            (FindingKind.SUM_DIFFERS, "b"),
        }
        change("UPDATE merge.canonical SET canonical_id = 'b' WHERE customer_id = 'a'")
        change("INSERT INTO merge.edges VALUES (gen_random_uuid(), 'acme', 'b', 'a', true)")
        findings = list(DEFAULT.verify(connection))
        circular = [finding.customer_id for finding in findings if finding.kind is FindingKind.EDGES_IN_A_CIRCLE]
        assert circular == ["a", "b"]
        assert [finding.kind for finding in DEFAULT.verify(connection, merged.merge_id)][-1] is FindingKind.SUM_DIFFERS


def test_the_default_plan_fits_the_reference_store(database: Engine) -> None:
    with database.begin() as connection:
        assert DEFAULT.check(connection) == []


def test_a_plan_that_does_not_cover_the_schema_is_told_what_is_missing(database: Engine, tmp_path: Path) -> None:
    with database.begin() as connection:
        change = connection.exec_driver_sql
        change(
            "CREATE TABLE store.wishes (tenant_id text, customer_id text, "
            "FOREIGN KEY (tenant_id, customer_id) REFERENCES store.customers)"
        )
        change("CREATE UNIQUE INDEX one_street ON store.addresses (tenant_id, customer_id, street)")
        change("ALTER TABLE store.customer_tags ADD COLUMN upper_tag text GENERATED ALWAYS AS (upper(tag)) STORED")
        faults = DEFAULT.check(connection)
        assert [fault.split(": ")[1] for fault in faults] == [
            "store.wishes (customer_id)",
            "store.addresses",
            "store.customer_tags",
        ]
        change("ALTER TABLE store.consents RENAME COLUMN granted TO allowed")
        (missing,) = DEFAULT.check(connection)
        fault = missing.partition(": ")[2]
        assert fault.startswith("store.consents.granted: there is no such column; one of: allowed, channel")


def test_a_plan_over_other_names_and_number_keys_without_tenants_merges_too(database: Engine, tmp_path: Path) -> None:
    plan = tmp_path / "own.yaml"
    plan.write_text(
        """
name: own
revision: 3
customer: {table: 'shop."Client%s', key: {column: "no", type: bigint}, version: rev}
disposition: {kind: link, column: see, set: {live: false}}
fields: {label: WINNER_THEN_FILL}
children:
  - {table: shop.bill, move: repoint, customer: 'client"no', row_id: nr}
""",
        encoding="utf-8",
    )
    own = MergeEngine.load(plan)
    with database.begin() as connection:
        change = connection.exec_driver_sql
        change("CREATE SCHEMA shop")
        change(
            'CREATE TABLE shop."""Client%%s" (no bigint PRIMARY KEY, rev int NOT NULL DEFAULT 1, see bigint, '
            "live bool DEFAULT true, label text)"
        )
        change(
            'CREATE TABLE shop.bill (nr uuid PRIMARY KEY DEFAULT gen_random_uuid(), "client""no" bigint '
            'REFERENCES shop."""Client%%s")'
        )
        change('INSERT INTO shop."""Client%%s" (no, label) VALUES (7, NULL), (12, \'twelve\')')
        change("INSERT INTO shop.bill VALUES (DEFAULT, 12)")
        assert own.check(connection) == []
        refused, merged = own.merge(connection, [order("7", "012"), order("7", "12")])
        assert not isinstance(refused, Merged), "012 is no id of this database, though it reads like 12"
        assert isinstance(merged, Merged)
        assert merged.moved == (Moved(table="shop.bill", rows=1, collisions=0),)
        assert rows(connection, 'SELECT no, see, live, label FROM shop."""Client%s" ORDER BY no') == [
            (7, None, True, "twelve"),
            (12, 7, False, "twelve"),
        ]
        assert list(own.verify(connection)) == []
        assert own.policy_version == "own-3"
        undo = UnmergeOrder(
            tenant_id=TENANT, command_id="u", merge_id=merged.merge_id, requested_by=ActorRef(id="t"), reason="no"
        )
        assert isinstance(own.unmerge(connection, undo), Unmerged)
        assert rows(connection, 'SELECT no, see, live, label FROM shop."""Client%s" ORDER BY no') == [
            (7, None, True, None),
            (12, None, True, "twelve"),
        ]
        assert rows(connection, 'SELECT "client""no" FROM shop.bill') == [(12,)]
        assert own.account(connection, TENANT, "7") is not None
        assert own.search(connection, TENANT, SearchCriteria(customer_id="7")) != []
