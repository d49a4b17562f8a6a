"""The relink library and its conformance kit, on a real database and through a real outbox."""

from collections.abc import Iterator, Mapping, Sequence

import pytest
from sqlalchemy import Connection, Engine, text

from event_runtime.database import create_engine
from event_runtime.runtime_ddl import runtime_ddl_v1
from relink import AliasTable, Redirection, Relinker, conformance, relink_ddl_v1


class Orders:
    """Relinks rows that keep the id they were written with."""

    system = "orders"

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        changed = connection.execute(
            text(
                "UPDATE shop.orders o SET customer_id = r.canonical_id FROM unnest("
                " CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:canonical AS text[]))"
                " AS r (tenant_id, customer_id, canonical_id) WHERE o.tenant_id = r.tenant_id"
                " AND o.original_customer_id = r.customer_id AND o.customer_id <> r.canonical_id"
            ),
            {
                "tenants": [redirect.tenant_id for redirect in redirects],
                "ids": [redirect.customer_id for redirect in redirects],
                "canonical": [redirect.canonical_id for redirect in redirects],
            },
        )
        return {"orders": changed.rowcount}


class Shop:
    """What the kit needs of a subscriber."""

    schema = "shop"

    def __init__(self, relinker: Relinker) -> None:
        self._relinker = relinker

    def relinker(self) -> Relinker:
        return self._relinker

    def fill(self, connection: Connection, tenant_id: str, customer_ids: Sequence[str]) -> None:
        connection.execute(
            text(
                "INSERT INTO shop.orders (tenant_id, number, original_customer_id, customer_id)"
                " VALUES (:tenant_id, :number, :customer_id, :customer_id)"
            ),
            [
                {"tenant_id": tenant_id, "number": f"{customer_id}-{n}", "customer_id": customer_id}
                for customer_id in customer_ids
                for n in (1, 2)
            ],
        )

    def clear(self, connection: Connection) -> None:
        connection.execute(text("DELETE FROM shop.orders"))

    def owners(self, connection: Connection, tenant_id: str) -> Mapping[str, str]:
        rows = connection.execute(
            text("SELECT number, customer_id FROM shop.orders WHERE tenant_id = :tenant_id"),
            {"tenant_id": tenant_id},
        )
        return {row.number: row.customer_id for row in rows}


class ForgetsWhereRowsCameFrom(Orders):
    """Moves rows by the id they hold now, so an unmerge cannot give them back."""

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        moved = 0
        for redirect in redirects:
            moved += connection.execute(
                text(
                    "UPDATE shop.orders SET customer_id = :canonical"
                    " WHERE tenant_id = :tenant AND customer_id = :id AND customer_id <> :canonical"
                ),
                {
                    "tenant": redirect.tenant_id,
                    "id": redirect.customer_id,
                    "canonical": redirect.canonical_id,
                },
            ).rowcount
        return {"orders": moved}


class ForgetsTheTenant(Orders):
    """Moves every tenant's rows."""

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        moved = 0
        for redirect in redirects:
            moved += connection.execute(
                text(
                    "UPDATE shop.orders SET customer_id = :canonical"
                    " WHERE original_customer_id = :id AND customer_id <> :canonical"
                ),
                {"id": redirect.customer_id, "canonical": redirect.canonical_id},
            ).rowcount
        return {"orders": moved}


class CountsWhatItDidNotDo(Orders):
    """Says that it moved a row, always."""

    def apply(self, connection: Connection, redirects: Sequence[Redirection]) -> Mapping[str, int]:
        super().apply(connection, redirects)
        return {"orders": 1}


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA shop"))
        for statement in (*runtime_ddl_v1("shop"), *relink_ddl_v1("shop")):
            connection.execute(text(statement))
        connection.execute(
            text(
                "CREATE TABLE shop.orders (tenant_id text, number text, original_customer_id text,"
                " customer_id text, PRIMARY KEY (tenant_id, number))"
            )
        )
    yield engine
    engine.dispose()


def test_a_relinker_that_keeps_original_ids_conforms(engine: Engine) -> None:
    conformance.check_all(engine, Shop(Orders()))


@pytest.mark.parametrize(
    ("relinker", "complaint"),
    [
        (ForgetsWhereRowsCameFrom(), "belongs to"),
        (ForgetsTheTenant(), "in a tenant of which nothing was merged"),
        (CountsWhatItDidNotDo(), "counted rows when nothing was left"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Orders) else "",
)
def test_the_kit_finds_a_relinker_that_does_not_conform(engine: Engine, relinker: Orders, complaint: str) -> None:
    with pytest.raises(conformance.NotConforming, match=complaint):
        conformance.check_all(engine, Shop(relinker))


def test_the_kit_finds_an_alias_that_outlives_its_customer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AliasTable, "forget", lambda *_: None)
    with pytest.raises(conformance.NotConforming, match="erased after 5 of 5 events: the alias table differs"):
        conformance.check_all(engine, Shop(Orders()))


def test_an_alias_table_follows_chains_and_ends_in_half_arrived_loops(engine: Engine) -> None:
    aliases = AliasTable("shop")

    def told(customer_id: str, canonical_id: str, version: int) -> list[Redirection]:
        return [
            Redirection(
                tenant_id="t",
                customer_id=customer_id,
                canonical_id=canonical_id,
                version=version,
                merge_id="m",
            )
        ]

    with engine.begin() as connection:
        aliases.announce(connection, told("a", "b", 1))
        changed = aliases.announce(connection, told("b", "c", 1))
        assert {redirect.customer_id: redirect.canonical_id for redirect in changed} == {"a": "c", "b": "c"}
        assert aliases.resolve(connection, "t", ["a", "b", "c", "x"]) == {
            "a": "c",
            "b": "c",
            "c": "c",
            "x": "x",
        }
        assert aliases.resolve(connection, "other", ["a"]) == {"a": "a"}

        aliases.announce(connection, told("c", "a", 1))  # a loop until the rest arrives
        assert set(aliases.resolve(connection, "t", ["a", "b", "c"]).values()) <= {"a", "b", "c"}
        aliases.announce(connection, told("a", "a", 2))
        assert aliases.resolve(connection, "t", ["a", "b", "c"]) == {"a": "a", "b": "a", "c": "a"}


def test_an_older_announcement_changes_nothing(engine: Engine) -> None:
    aliases = AliasTable("shop")
    newer = Redirection(tenant_id="t", customer_id="a", canonical_id="c", version=2, merge_id="m2")
    older = Redirection(tenant_id="t", customer_id="a", canonical_id="b", version=1, merge_id="m1")
    with engine.begin() as connection:
        assert aliases.announce(connection, [older, newer]) == [newer]
        assert aliases.announce(connection, [older]) == []
        assert aliases.announce(connection, [newer]) == []
        assert list(aliases.all(connection)) == [("t", "a", "c", 2)]
