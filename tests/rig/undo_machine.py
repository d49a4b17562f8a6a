"""Merges, undos, conversions, erasures and everything that applications do meanwhile, in any order, on PostgreSQL.

One history is one transaction that is rolled back; it is held against `UndoModel` after every step and at its end, when
everything that can be undone is undone.
"""

import json
from random import Random
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Connection, Engine

import customer_events as wire
from customer_identity.merging import (
    ActorRef,
    Merged,
    Noop,
    NotDuplicateOrder,
    Refused,
    Unmerged,
    UnmergeMode,
    UnmergeOrder,
)
from customer_identity.merging.conversion import ConversionOrder, Converted, PartyType
from event_runtime.codec import payload_of
from event_runtime.outbox import Outbox
from event_runtime.publisher import Publisher
from merge_engine import Erased, MergeEngine
from merge_worker.adapters.stream_events import customer_merged, customer_unmerged
from merge_worker.application.audit_streams import Identity, Recorded, StreamAudit, StreamEnd, map_differences
from rig.customer_rows import ACTOR, TENANT, approved, contents, order
from rig.invariants import CODEC
from rig.undo_model import ModelMerge, ModelRow, UndoModel

IDS = tuple("abcdef")
PLAIN = ("orders", "tickets", "loyalty_ledger")
UNIQUE = {"emails": "email_key", "customer_tags": "tag", "consents": "channel"}
# What the default plan deletes when somebody is erased.
FORGOTTEN = {"emails", "customer_tags", "consents", "tickets"}
ENGINE = MergeEngine.load("default")
UNHURRIED = (
    "SELECT set_config('transaction_timeout', '5min', true) WHERE current_setting('server_version_num')::int >= 170000"
)
CUSTOMERS, SEEDS = st.sampled_from(IDS), st.integers(0, 2**32 - 1)
Fields = tuple[Any, ...]


class UndoMachine(RuleBasedStateMachine):
    """A history. `engine` is set by the test."""

    engine: Engine

    def __init__(self) -> None:
        super().__init__()
        self.connection: Connection = self.engine.connect()
        self.whole = self.connection.begin()
        self.connection.exec_driver_sql(UNHURRIED)
        self.model = UndoModel(ids=IDS, types=dict.fromkeys(IDS, "INDIVIDUAL"))
        self.occupations: dict[str, str | None] = {}
        self.steps = 0
        self.publisher = Publisher(CODEC, wire.CATALOGUE, "/test")
        self.outbox = Outbox("merge")

    # ── what happens ──

    @initialize(seed=SEEDS)
    def customers(self, seed: int) -> None:
        random = Random(seed)  # noqa: S311 - no secret
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
                self._write(table, customer_id, random)
        self.records = self._records()

    @rule(winner=CUSTOMERS, losers=st.lists(CUSTOMERS, min_size=1, max_size=3, unique=True), follow=st.booleans())
    def merge(self, winner: str, losers: list[str], follow: bool) -> None:  # noqa: FBT001
        losers = [one for one in losers if one != winner]
        if losers:
            self._merge(winner, losers, follow=follow)

    @rule(pick=st.integers(0, 100), some=st.booleans(), mode=st.sampled_from(UnmergeMode))
    def unmerge(self, pick: int, some: bool, mode: UnmergeMode) -> None:  # noqa: FBT001
        if self.model.merges:
            merge = self.model.merges[pick % len(self.model.merges)]
            self._unmerge(merge, merge.losers[:1] if some else [], mode)

    @rule(winner=CUSTOMERS, losers=st.lists(CUSTOMERS, min_size=1, max_size=2, unique=True))
    def merge_and_think_again(self, winner: str, losers: list[str]) -> None:
        self._reconcile()
        losers = [one for one in losers if one != winner]
        before = contents(self.connection)
        merge = self._merge(winner, losers, follow=True) if losers else None
        if merge is not None:
            self._unmerge(merge, [], UnmergeMode.LINEAR)
            assert contents(self.connection) == before
            self._withdraw(merge.winner)

    @rule(customer_id=CUSTOMERS, table=st.sampled_from((*PLAIN, *UNIQUE)), seed=SEEDS)
    def write(self, customer_id: str, table: str, seed: int) -> None:
        if customer_id not in self.model.erased:
            self._write(table, customer_id, Random(seed))  # noqa: S311 - no secret

    @rule(customer_id=CUSTOMERS)
    def edit(self, customer_id: str) -> None:
        if self.model.root(customer_id) == customer_id and customer_id not in self.model.erased:
            self.occupations[customer_id] = f"job {self.steps}"
            self.sql(
                "UPDATE store.customers SET occupation = %(job)s WHERE tenant_id = %(tenant)s AND customer_id = %(id)s",
                id=customer_id,
                job=f"job {self.steps}",
            )

    @rule(pick=st.integers(0, 1000), to=CUSTOMERS)
    def hand_over(self, pick: int, to: str) -> None:
        orders = [row for row in self.model.of("orders") if not row.late]
        row = orders[pick % len(orders)]
        elsewhere = self.model.root(to) == to and self.model.root(row.home) != to
        if elsewhere and not {row.home, to} & self.model.erased:
            self.sql("UPDATE store.orders SET customer_id = %(to)s WHERE id = %(row)s", to=to, row=row.id)
            row.home = to

    @rule()
    def reconcile(self) -> None:
        self._reconcile()

    @rule(customer_id=CUSTOMERS)
    def reconsider(self, customer_id: str) -> None:
        self._withdraw(customer_id)

    @rule(customer_id=CUSTOMERS, to_type=st.sampled_from(PartyType))
    def convert(self, customer_id: str, to_type: PartyType) -> None:
        conversion = ConversionOrder(
            tenant_id=TENANT,
            command_id=f"convert-{self.steps}",
            customer_id=customer_id,
            to_type=to_type,
            contact_id=None,
            requested_by=ACTOR,
            reason="test",
        )
        alone = self.model.members(customer_id) == [customer_id]
        if not alone or customer_id in self.model.erased:
            return  # members of two types are another history than this one
        result = ENGINE.convert(self.connection, conversion)
        assert isinstance(result, Converted) == (self.model.types[customer_id] != to_type.value)
        self.model.types[customer_id] = to_type.value

    @precondition(lambda self: self.steps > 25 and len(self.model.erased) < 3)
    @rule(customer_id=CUSTOMERS, really=st.sampled_from([True, False, False, False, False]))
    def erase(self, customer_id: str, really: bool) -> None:  # noqa: FBT001
        if not really or customer_id in self.model.erased:
            return
        members = self.model.members(customer_id)
        root = self.model.root(customer_id)
        result = ENGINE.erase(self.connection, TENANT, customer_id)
        assert isinstance(result, Erased)
        assert (result.canonical_id, set(result.member_ids)) == (root, set(members))
        event = wire.IdentityErased(tenant_id=TENANT, canonical_id=root, member_ids=result.member_ids, at=result.at)
        self.outbox.append(self.connection, [self.publisher.draft(event)])
        note(f"erased {members}")
        self.model.forget(members, FORGOTTEN)

    # ── what must hold ──

    @invariant()
    def check_step(self) -> None:
        self.steps += 1
        self._check_map()

    def teardown(self) -> None:
        try:
            if self.steps:
                self._reconcile()
                self._check_rows()
                self._check_history()
                self._undo_everything()
        finally:
            self.whole.rollback()
            self.connection.close()

    def _check_map(self) -> None:
        answers = ENGINE.canonical(self.connection, TENANT, IDS)
        for customer_id, answer in answers.items():
            assert answer.canonical_id == self.model.root(customer_id)
            assert answer.version == self.model.versions.get(customer_id, 0)

    def _check_rows(self) -> None:
        """No row is lost or doubled, and each stands at whoever answers for the customer it was written for."""
        aside = self._aside()
        for table in (*PLAIN, *UNIQUE):
            found = dict(self.sql(f"SELECT id, customer_id FROM store.{table} WHERE tenant_id = %(tenant)s"))
            for row in self.model.of(table):
                at = found.pop(row.id, None)
                if at is None:
                    assert (table, str(row.id)) in aside, f"{row} is lost"
                else:
                    assert (table, str(row.id)) not in aside, f"{row} is there and put aside"
                    expected = row.home if row.late else self.model.root(row.home)
                    assert at == expected, f"{row} is at {at}"
            assert not found, f"{table} {found} came from nowhere"
        for table, column in UNIQUE.items():
            kinds = {(self.model.root(row.home), row.key) for row in self.model.of(table)}
            live = self.sql(f"SELECT customer_id, {column} FROM store.{table} WHERE tenant_id = %(tenant)s")
            assert sorted(live) == sorted(kinds)
        for customer_id, channel, granted in self.sql(
            "SELECT customer_id, channel, granted FROM store.consents WHERE tenant_id = %(tenant)s"
        ):
            said = [
                row.granted
                for row in self.model.of("consents")
                if (self.model.root(row.home), row.key) == (customer_id, channel)
            ]
            assert granted is all(said)
        points: dict[str, int] = {}
        for row in self.model.of("loyalty_ledger"):
            home = row.home if row.late else self.model.root(row.home)
            points[home] = points.get(home, 0) + row.points
        held = dict(self.sql("SELECT customer_id, points FROM store.loyalty_accounts WHERE tenant_id = %(tenant)s"))
        assert {one: held.get(one, 0) for one in IDS} == {one: points.get(one, 0) for one in IDS}
        primary = self.sql(
            "SELECT customer_id FROM store.emails WHERE tenant_id = %(tenant)s AND is_primary "
            "GROUP BY 1 HAVING count(*) > 1"
        )
        assert primary == []
        assert list(ENGINE.verify(self.connection)) == []

    def _check_history(self) -> None:
        """What was told is numbered and chained, and rebuilds the identity map."""
        heads = self.sql("SELECT stream, sequence, hash FROM merge.outbox_heads")
        audit = StreamAudit(heads={stream: StreamEnd(sequence=at, digest=digest) for stream, at, digest in heads})
        bodies = self.sql("SELECT body FROM merge.outbox WHERE sequence IS NOT NULL ORDER BY stream, position")
        audit.read(Recorded(event=CODEC.decode(body), payload=payload_of(body)) for (body,) in bodies)
        assert audit.problems == []
        answers = self.sql("SELECT tenant_id, customer_id, canonical_id, version FROM merge.canonical")
        stored = {(tenant, one): Identity(canonical_id=root, version=version) for tenant, one, root, version in answers}
        assert list(map_differences(audit.identities, stored)) == []

    def _undo_everything(self) -> None:
        """Taken apart from the newest to the oldest merge, everything is as if nobody had ever merged anything."""
        while self.model.merges:
            self._unmerge(self.model.merges[-1], [], UnmergeMode.LINEAR)
        self._check_rows()
        assert self._aside() == set()
        for table in UNIQUE:
            homes = {row.id: row.home for row in self.model.of(table)}
            assert dict(self.sql(f"SELECT id, customer_id FROM store.{table} WHERE tenant_id = %(tenant)s")) == homes
        flags = {row.id: row.primary for row in self.model.of("emails")}
        assert dict(self.sql("SELECT id, is_primary FROM store.emails WHERE tenant_id = %(tenant)s")) == flags
        now = self._records()
        for customer_id, record in self.records.items():
            if customer_id not in self.model.erased:
                assert now[customer_id] == (self.occupations[customer_id], *record[1:]), customer_id

    # ── how it is done ──

    def _merge(self, winner: str, losers: list[str], *, follow: bool) -> ModelMerge | None:
        model = self.model
        named = [winner, *losers]
        roots = list(dict.fromkeys(model.root(one) for one in named))
        versions = {one: ENGINE.canonical(self.connection, TENANT, [one])[one].version for one in IDS}
        records = self.sql("SELECT customer_id, version FROM store.customers WHERE tenant_id = %(tenant)s")
        reviewed = approved(**dict(records)) if follow else {}
        (result,) = ENGINE.merge(
            self.connection,
            [order(winner, *losers, command_id=f"merge-{self.steps}", follow_redirects=follow, **reviewed)],
        )
        if len(roots) == 1:
            assert isinstance(result, Noop)
            return None
        everybody = [member for root in roots for member in model.members(root)]
        elsewhere = not follow and (model.root(winner) != winner or any(model.root(one) not in named for one in losers))
        refused = (
            elsewhere
            or model.kept_apart(roots)
            or bool(model.erased & set(everybody))
            or len({model.types[one] for one in everybody}) > 1
        )
        assert isinstance(result, Refused if refused else Merged), result
        if not isinstance(result, Merged):
            return None
        self._publish(customer_merged(result, ()))
        merge = ModelMerge(merge_id=result.merge_id, winner=result.winner.id, losers=[one.id for one in result.losers])
        assert set(roots) == {merge.winner, *merge.losers}
        model.merges.append(merge)
        self._follow(result.redirects, versions)
        return merge

    def _unmerge(self, merge: ModelMerge, losers: list[str], mode: UnmergeMode) -> None:
        model = self.model
        leaving = losers or list(merge.losers)
        versions = {one: ENGINE.canonical(self.connection, TENANT, [one])[one].version for one in IDS}
        result = ENGINE.unmerge(
            self.connection,
            UnmergeOrder(
                tenant_id=TENANT,
                command_id=f"unmerge-{self.steps}",
                merge_id=merge.merge_id,
                loser_ids=tuple(losers),
                mode=mode,
                requested_by=ActorRef(id="test"),
                reason="test",
            ),
        )
        newer = model.merges[model.merges.index(merge) + 1 :]
        if isinstance(result, Refused):
            assert mode is UnmergeMode.LINEAR, result
            assert result.errors[0].rule == "UNMERGE_NEWER_FIRST"
            assert any(one.merge_id in result.errors[0].remediation for one in newer)
            return
        assert isinstance(result, Unmerged)
        if mode is UnmergeMode.LINEAR:
            assert model.root(merge.winner) == merge.winner
        reasons = {conflict.reason.split(":")[0] for conflict in result.conflicts}
        assert reasons <= {"FIELD_CHANGED_SINCE", "BELOW_ZERO"}, result.conflicts
        self._publish(customer_unmerged(result, ()))
        merge.losers = [one for one in merge.losers if one not in leaving]
        if not merge.losers:
            model.merges.remove(merge)
        model.apart |= {frozenset((merge.winner, one)) for one in leaving}
        self._follow(result.redirects, versions)

    def _follow(self, redirects: Any, before: dict[str, int]) -> None:
        """Versions grow by one with every change, and nobody's answer changes without being told."""
        for redirect in redirects:
            assert redirect.version == before[redirect.from_id] + 1
            assert redirect.canonical == self.model.root(redirect.from_id)
            self.model.versions[redirect.from_id] = redirect.version
        self._check_map()

    def _withdraw(self, customer_id: str) -> None:
        for pair in [pair for pair in self.model.apart if customer_id in pair]:
            ENGINE.assert_not_duplicate(
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

    def _reconcile(self) -> None:
        while ENGINE.reconcile(self.connection, 100):
            pass
        for row in self.model.rows.values():
            row.late = row.late and row.home in self.model.erased

    def _write(self, table: str, customer_id: str, random: Random) -> None:
        """An application writes a row under an id that it holds, whoever answers for that id."""
        row = ModelRow(table=table, id=0, home=customer_id, late=self.model.root(customer_id) != customer_id)
        values: dict[str, Any] = {}
        if table in UNIQUE:
            taken = {
                other.key
                for other in self.model.of(table)
                if other.home == customer_id or (not row.late and self.model.root(other.home) == customer_id)
            }
            row.key = random.choice("pqrs")
            # A late row under an id that others were merged into may stand in the way of theirs: that is a conflict,
            # which is reported, and another test's subject.
            through = row.late and any(merge.winner == customer_id for merge in self.model.merges)
            if row.key in taken or through:
                return
            values[UNIQUE[table]] = row.key
        if table == "emails":
            homes = self.model.members(customer_id)
            row.primary = not any(other.primary for other in self.model.of("emails") if other.home in homes)
            values |= {"email": row.key, "verified": random.choice([True, False, None]), "is_primary": row.primary}
        elif table == "consents":
            row.granted = random.choice([True, False])
            evidence = random.choice([None, "form"])
            values |= {"granted": row.granted, "evidence": evidence}
        elif table == "orders":
            values |= {"order_number": "1", "status": "PAID", "total_cents": 1}
        elif table == "tickets":
            values |= {"subject": "help", "status": "OPEN"}
        elif table == "loyalty_ledger":
            row.points = random.randint(-5, 20)
            values |= {"points": row.points, "reason": "order"}
            self.sql(
                "INSERT INTO store.loyalty_accounts AS a (tenant_id, customer_id, program, points) "
                "VALUES (%(tenant)s, %(id)s, 'stars', %(points)s) ON CONFLICT (tenant_id, customer_id) "
                "DO UPDATE SET points = a.points + excluded.points",
                id=customer_id,
                points=row.points,
            )
        columns = ", ".join(("tenant_id", "customer_id", *values))
        marks = ", ".join(f"%({name})s" for name in ("tenant", "id", *values))
        insert = f"INSERT INTO store.{table} ({columns}) VALUES ({marks}) RETURNING id"
        row.id = self.sql(insert, id=customer_id, **values)[0][0]
        self.model.rows[table, row.id] = row

    def _records(self) -> dict[str, Fields]:
        rows = self.sql(
            "SELECT customer_id, occupation, notes, created_at, status, merged_into FROM store.customers "
            "WHERE tenant_id = %(tenant)s"
        )
        return {row[0]: tuple(row[1:]) for row in rows}

    def _aside(self) -> set[tuple[str, str]]:
        """Rows that the journal holds for a merge that stands."""
        rows = self.sql(
            """
SELECT j.table_name, r.id FROM merge.journal j CROSS JOIN LATERAL unnest(j.row_ids) AS r(id)
JOIN merge.merges m USING (merge_id)
WHERE j.action = 'REMOVED' AND j.tenant_id = %(tenant)s AND m.erased_at IS NULL AND (
  EXISTS (SELECT 1 FROM merge.edges e WHERE e.merge_id = j.merge_id AND e.active AND e.loser_id = j.from_id)
  OR (j.from_id = m.winner_id AND m.state <> 'UNMERGED'))"""
        )
        found = [(table.removeprefix("store."), row_id) for table, row_id in rows]
        assert len(found) == len(set(found)), "a row was put aside twice"
        return set(found)

    def _publish(self, event: Any) -> None:
        self.outbox.append(self.connection, [self.publisher.draft(event)])
        note(f"{type(event).__name__} {json.dumps([one.from_ for one in event.redirects])}")

    def sql(self, statement: str, **values: Any) -> list[Any]:
        result = self.connection.exec_driver_sql(statement, {"tenant": TENANT, **values})
        return [tuple(row) for row in result] if result.returns_rows else []
