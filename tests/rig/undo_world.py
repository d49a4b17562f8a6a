"""A database in which histories of merges and undos happen, and what applications do there meanwhile.

One history is one transaction that is rolled back.
"""

import json
from random import Random
from typing import Any

from hypothesis import note
from sqlalchemy import Connection, Engine

import customer_events as wire
from customer_identity.merging import NotDuplicateOrder
from event_runtime.outbox import Outbox
from event_runtime.publisher import Publisher
from merge_engine import MergeEngine
from rig.customer_rows import ACTOR, TENANT
from rig.invariants import CODEC
from rig.undo_model import ModelRow, UndoModel
from rig.undo_plans import PlanUnderTest

IDS = tuple("abcdef")
PLAIN = ("orders", "tickets", "loyalty_ledger")
UNIQUE = {"emails": "email_key", "customer_tags": "tag", "consents": "channel"}
TABLES = (*PLAIN, *UNIQUE)
_UNHURRIED = (
    "SELECT set_config('transaction_timeout', '5min', true) WHERE current_setting('server_version_num')::int >= 170000"
)


class UndoWorld:
    """The customers and their rows, in the database and in the model."""

    def __init__(self, database: Engine, plan: PlanUnderTest) -> None:
        self.plan = plan
        self.connection: Connection = database.connect()
        self._whole = self.connection.begin()
        self.connection.exec_driver_sql(_UNHURRIED)
        self.model = UndoModel(ids=IDS, types=dict.fromkeys(IDS, "INDIVIDUAL"))
        self.occupations: dict[str, str | None] = {}
        self.steps = 0
        self._publisher = Publisher(CODEC, wire.CATALOGUE, "/test")
        self._outbox = Outbox("merge")

    @property
    def engine(self) -> MergeEngine:
        """The plan in its first version; for whatever is the same in both."""
        return self.plan.engines[0]

    def close(self) -> None:
        """Undo the whole history."""
        self._whole.rollback()
        self.connection.close()

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """What a statement answers."""
        result = self.connection.exec_driver_sql(statement, {"tenant": TENANT, **values})
        return [tuple(row) for row in result] if result.returns_rows else []

    def publish(self, event: Any) -> None:
        """Tell of something, as the worker does."""
        self._outbox.append(self.connection, [self._publisher.draft(event)])
        note(type(event).__name__)

    def add_customers(self, random: Random) -> None:
        """Everybody with rows whose keys come from small pools, so that they meet."""
        for customer_id in IDS:
            occupation = random.choice([None, "baker", "smith"])
            self.occupations[customer_id] = occupation
            self.sql(
                "INSERT INTO store.customers (tenant_id, customer_id, occupation, notes, created_at) "
                "VALUES (%(tenant)s, %(id)s, %(occupation)s, %(notes)s, %(created_at)s)",
                id=customer_id,
                occupation=occupation,
                notes=random.choice([None, "tea", "coffee"]),
                created_at=f"20{random.randint(10, 19)}-01-01T00:00:00Z",
            )
            for table in (*PLAIN, *UNIQUE, *UNIQUE):
                self.write(table, customer_id, random)

    def write(self, table: str, customer_id: str, random: Random) -> None:
        """An application writes a row under an id that it holds, whoever answers for that id."""
        row = ModelRow(table=table, id=0, home=customer_id, late=self.model.root(customer_id) != customer_id)
        if customer_id in self.model.erased or (row.late and self.plan.deletes):
            return
        values = self._unique_values(row, random) if table in UNIQUE else self._plain_values(row, random)
        if values is None:
            return
        columns = ", ".join(("tenant_id", "customer_id", *values))
        marks = ", ".join(f"%({name})s" for name in ("tenant", "id", *values))
        insert = f"INSERT INTO store.{table} ({columns}) VALUES ({marks}) RETURNING id"
        row.id = self.sql(insert, id=customer_id, **values)[0][0]
        self.model.rows[table, row.id] = row

    def edit(self, customer_id: str) -> None:
        """Somebody changes a customer's record."""
        job = f"job {self.steps}"
        if self.model.root(customer_id) == customer_id and customer_id not in self.model.erased:
            self.occupations[customer_id] = job
            self.sql(
                "UPDATE store.customers SET occupation = %(job)s WHERE tenant_id = %(tenant)s AND customer_id = %(id)s",
                id=customer_id,
                job=job,
            )

    def hand_over(self, pick: int, to: str) -> None:
        """An order becomes somebody else's."""
        orders = [row for row in self.model.of("orders") if not row.late]
        row = orders[pick % len(orders)]
        elsewhere = self.model.root(to) == to and self.model.root(row.home) != to
        if elsewhere and not {row.home, to} & self.model.erased:
            self.sql("UPDATE store.orders SET customer_id = %(to)s WHERE id = %(row)s", to=to, row=row.id)
            row.home = to

    def withdraw(self, customer_id: str) -> None:
        """A person says that the customer may be merged again with those it was parted from."""
        for pair in [pair for pair in self.model.apart if customer_id in pair]:
            self.engine.assert_not_duplicate(
                self.connection,
                NotDuplicateOrder(
                    tenant_id=TENANT,
                    command_id=f"withdraw-{self.steps}",
                    customer_ids=tuple(sorted(pair)),
                    requested_by=ACTOR,
                    reason="test",
                    withdrawn=True,
                ),
            )
            self.model.apart.discard(pair)

    def records(self) -> dict[str, tuple[Any, ...]]:
        """The customers' records."""
        rows = self.sql(
            "SELECT customer_id, occupation, notes, created_at, status, merged_into FROM store.customers "
            "WHERE tenant_id = %(tenant)s"
        )
        return {row[0]: tuple(row[1:]) for row in rows}

    def journalled(self, action: str) -> dict[tuple[str, str], str]:
        """Rows that the journal holds so for a merge that stands, and whose they were."""
        rows = self.sql(
            """
SELECT j.table_name, r.id, j.from_id FROM merge.journal j CROSS JOIN LATERAL unnest(j.row_ids) AS r(id)
JOIN merge.merges m USING (merge_id)
WHERE j.action = %(action)s AND j.tenant_id = %(tenant)s AND m.erased_at IS NULL AND (
  EXISTS (SELECT 1 FROM merge.edges e WHERE e.merge_id = j.merge_id AND e.active AND e.loser_id = j.from_id)
  OR (j.from_id = m.winner_id AND m.state <> 'UNMERGED'))""",
            action=action,
        )
        found = {(table.removeprefix("store."), row_id): from_id for table, row_id, from_id in rows}
        assert len(found) == len(rows), f"a row is {action} twice: {json.dumps(sorted(map(str, rows)))}"
        return found

    def _unique_values(self, row: ModelRow, random: Random) -> dict[str, Any] | None:
        """None where the row would break a unique constraint at once, or in the end."""
        row.key = random.choice("pqrs")
        taken = {
            other.key
            for other in self.model.of(row.table)
            if other.home == row.home or (not row.late and self.model.root(other.home) == row.home)
        }
        # A late row under an id that others were merged into may stand in the way of theirs: that is a conflict, which
        # is reported, and another test's subject.
        through = row.late and any(merge.winner == row.home for merge in self.model.merges)
        if row.key in taken or through:
            return None
        values = {UNIQUE[row.table]: row.key}
        if row.table == "emails":
            row.primary = not self._has_primary(row.home) and random.choice([True, True, False])
            return {
                **values,
                "email": row.key,
                "verified": random.choice([True, False, None]),
                "is_primary": row.primary,
            }
        if row.table == "consents":
            row.granted = random.choice([True, False])
            return {**values, "granted": row.granted, "evidence": random.choice([None, "form"])}
        return values

    def _has_primary(self, customer_id: str) -> bool:
        """Whether the customer has a primary address now, or has one when everything is undone."""
        at_hand = self.sql(
            "SELECT 1 FROM store.emails WHERE tenant_id = %(tenant)s AND customer_id = %(id)s AND is_primary",
            id=customer_id,
        )
        return bool(at_hand) or any(row.primary and row.home == customer_id for row in self.model.of("emails"))

    def _plain_values(self, row: ModelRow, random: Random) -> dict[str, Any]:
        if row.table == "orders":
            return {"order_number": "1", "status": "PAID", "total_cents": 1}
        if row.table == "tickets":
            return {"subject": "help", "status": "OPEN"}
        row.points = random.randint(-5, 20)
        self.sql(
            "INSERT INTO store.loyalty_accounts AS a (tenant_id, customer_id, program, points) "
            "VALUES (%(tenant)s, %(id)s, 'stars', %(points)s) ON CONFLICT (tenant_id, customer_id) "
            "DO UPDATE SET points = a.points + excluded.points",
            id=row.home,
            points=row.points,
        )
        return {"points": row.points, "reason": "order"}
