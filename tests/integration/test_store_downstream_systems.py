"""The sample downstream systems on a real database: they conform to the relink contract, and add points up once."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, Engine, text

from customer_merge_demo.crm import Crm
from customer_merge_demo.customers import Customer, History, LedgerEntry, Order, Ticket
from customer_merge_demo.downstream import DownstreamSystem
from customer_merge_demo.helpdesk import Helpdesk
from customer_merge_demo.loyalty import Loyalty
from relink import Redirection
from relink.conformance import check_all
from rig.fixtures import Connected

SYSTEMS: dict[str, DownstreamSystem] = {"crm": Crm(), "loyalty": Loyalty(), "helpdesk": Helpdesk()}
TABLES = {
    "crm": {"contacts": "original_customer_id", "activities": "id"},
    "loyalty": {"entries": "id"},
    "helpdesk": {"requesters": "original_customer_id", "tickets": "id"},
}


class Conforming:
    """What relink's conformance kit asks of a subscriber."""

    def __init__(self, name: str) -> None:
        self.schema = name
        self._system = SYSTEMS[name]

    def relinker(self) -> DownstreamSystem:
        return self._system

    def fill(self, connection: Connection, tenant_id: str, customer_ids: Sequence[str]) -> None:
        self._system.fill(connection, tenant_id, [with_history(customer_id) for customer_id in customer_ids])

    def clear(self, connection: Connection) -> None:
        extra = ("members",) if self.schema == "loyalty" else ()
        for table in (*TABLES[self.schema], *extra):
            connection.execute(text(f"TRUNCATE {self.schema}.{table} RESTART IDENTITY"))

    def owners(self, connection: Connection, tenant_id: str) -> dict[str, str]:
        return {
            f"{table}/{row[0]}": row[1]
            for table, key in TABLES[self.schema].items()
            for row in connection.execute(
                text(f"SELECT {key}, customer_id FROM {self.schema}.{table} WHERE tenant_id = :tenant"),
                {"tenant": tenant_id},
            )
        }


@pytest.fixture
def engine(connected: Connected) -> Engine:
    return connected(*(f"customer_merge_demo.{name}" for name in SYSTEMS))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_system_conforms_to_the_relink_contract(engine: Engine, name: str) -> None:
    check_all(engine, Conforming(name))


def test_points_are_counted_once_however_often_a_merge_is_announced(engine: Engine) -> None:
    loyalty = Loyalty()
    chain = [
        redirect("A", "B", 1),
        redirect("A", "B", 1),
        redirect("A", "C", 2),
        redirect("B", "C", 1),
        redirect("A", "C", 2),
    ]
    with engine.begin() as connection:
        loyalty.fill(connection, "t", [with_history(customer_id) for customer_id in "ABC"])
        before = loyalty.totals(connection)["points"]
        for announced in chain:
            loyalty.apply(connection, [announced])
        assert points(connection) == {"A": 0, "B": 0, "C": before}
        loyalty.apply(connection, [redirect("A", "A", 3)])
        assert points(connection) == {"A": 70, "B": 0, "C": before - 70}


def test_points_of_someone_who_became_a_customer_that_is_no_member_yet_are_not_lost(engine: Engine) -> None:
    with engine.begin() as connection:
        Loyalty().fill(connection, "t", [with_history("A")])
        Loyalty().apply(connection, [redirect("A", "NEW", 1)])
        assert points(connection) == {"A": 0, "NEW": 70}


def test_a_ticket_shows_the_name_of_the_customer_it_now_belongs_to_and_its_own_again_after_an_unmerge(
    engine: Engine,
) -> None:
    helpdesk = Helpdesk()
    with engine.begin() as connection:
        helpdesk.fill(connection, "t", [with_history("A"), with_history("B")])
        helpdesk.apply(connection, [redirect("A", "B", 1)])
        names = text("SELECT original_customer_id, requester_name FROM helpdesk.tickets ORDER BY 1")
        assert connection.execute(names).all() == [("A", "Name of B"), ("B", "Name of B")]
        helpdesk.apply(connection, [redirect("A", "A", 2)])
        assert connection.execute(names).all() == [("A", "Name of A"), ("B", "Name of B")]


def points(connection: Connection) -> dict[str, int]:
    rows = connection.execute(text("SELECT customer_id, points FROM loyalty.members ORDER BY 1"))
    return {row.customer_id: row.points for row in rows}


def redirect(customer_id: str, canonical_id: str, version: int) -> Redirection:
    return Redirection(
        tenant_id="t", customer_id=customer_id, canonical_id=canonical_id, version=version, merge_id=f"m{version}"
    )


def with_history(customer_id: str) -> Customer:
    history = History(
        orders=(Order(order_number=f"O-{customer_id}", status="COMPLETED", total_cents=100, days_ago=3),),
        tickets=(Ticket(subject="Where is it?", status="OPEN", days_ago=2),),
        ledger=(
            LedgerEntry(points=50, reason="welcome", days_ago=9),
            LedgerEntry(points=20, reason="order", days_ago=3),
        ),
    )
    return Customer(
        customer_id=customer_id, source=None, attributes={"full_name": f"Name of {customer_id}"}, history=history
    )
