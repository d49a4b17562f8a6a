"""Merges, undos, conversions, erasures and everything that applications do meanwhile, in any order, on PostgreSQL.

A history is held against `UndoModel` after every step and at its end, when everything that can be undone is undone.
"""

from random import Random

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine

from customer_identity.merging import UnmergeMode
from customer_identity.merging.conversion import PartyType
from rig.customer_rows import contents
from rig.undo_checks import check_as_if_never_merged, check_history, check_map, check_rows
from rig.undo_plans import PlanUnderTest
from rig.undo_steps import UndoSteps
from rig.undo_world import IDS, TABLES, UndoWorld

CUSTOMERS, SEEDS, PICKS = st.sampled_from(IDS), st.integers(0, 2**32 - 1), st.integers(0, 1000)
SELDOM = st.sampled_from([True, False, False, False, False])
LOSERS = st.lists(CUSTOMERS, min_size=1, max_size=3, unique=True)


class UndoMachine(RuleBasedStateMachine):
    """A history. `engine` and `plan` are set by the test."""

    engine: Engine
    plan: PlanUnderTest

    def __init__(self) -> None:
        super().__init__()
        self.world = UndoWorld(self.engine, self.plan)
        self.model, self.do = self.world.model, UndoSteps(self.world)

    @initialize(seed=SEEDS)
    def customers(self, seed: int) -> None:
        self.world.add_customers(Random(seed))  # noqa: S311 - no secret
        self.records = self.world.records()

    @rule(winner=CUSTOMERS, losers=LOSERS, follow=st.booleans())
    def merge(self, winner: str, losers: list[str], follow: bool) -> None:  # noqa: FBT001
        self.do.merge(winner, losers, follow=follow, version=0)

    @rule(winner=CUSTOMERS, losers=LOSERS)
    def merge_by_policy(self, winner: str, losers: list[str]) -> None:
        self.do.merge(winner, losers, follow=True, version=1)

    @rule(winner=CUSTOMERS, losers=LOSERS)
    def merge_and_think_again(self, winner: str, losers: list[str]) -> None:
        self.do.come_to_rest()
        before = contents(self.world.connection)
        merge = self.do.merge(winner, losers, follow=True, version=0)
        if merge is not None:
            self.do.come_to_rest()
            assert self.do.unmerge(merge, [], UnmergeMode.LINEAR)
            assert contents(self.world.connection) == before
            self.world.withdraw(merge.winner)

    @precondition(lambda self: self.model.merges)
    @rule(pick=PICKS, some=st.booleans(), mode=st.sampled_from(UnmergeMode))
    def unmerge(self, pick: int, some: bool, mode: UnmergeMode) -> None:  # noqa: FBT001
        merge = self.model.merges[pick % len(self.model.merges)]
        self.do.unmerge(merge, merge.losers[:1] if some else [], mode)

    @precondition(lambda self: len(self.model.merges) > 1)
    @rule(pick=PICKS, version=st.sampled_from((0, 1)), mode=st.sampled_from(UnmergeMode))
    def undo_policy(self, pick: int, version: int, mode: UnmergeMode) -> None:
        since = self.model.merges[pick % len(self.model.merges)]
        self.do.undo_policy(version, since, mode)

    @rule(customer_id=CUSTOMERS, table=st.sampled_from(TABLES), seed=SEEDS)
    def write(self, customer_id: str, table: str, seed: int) -> None:
        self.world.write(table, customer_id, Random(seed))  # noqa: S311 - no secret

    @rule(customer_id=CUSTOMERS, pick=PICKS, what=st.sampled_from(("edit", "hand over", "withdraw", "reconcile")))
    def meanwhile(self, customer_id: str, pick: int, what: str) -> None:
        match what:
            case "edit":
                self.world.edit(customer_id)
            case "hand over":
                self.world.hand_over(pick, customer_id)
            case "withdraw":
                self.world.withdraw(customer_id)
            case "reconcile":
                self.do.reconcile()

    @precondition(lambda self: self.plan.large)
    @rule(steps=st.integers(1, 6))
    def move_some(self, steps: int) -> None:
        self.do.move_some(steps)

    @rule(customer_id=CUSTOMERS, to_type=st.sampled_from(PartyType), really=SELDOM)
    def convert(self, customer_id: str, to_type: PartyType, really: bool) -> None:  # noqa: FBT001
        if really:
            self.do.convert(customer_id, to_type)

    @precondition(lambda self: self.world.steps > 25 and len(self.model.erased) < 3)
    @rule(customer_id=CUSTOMERS, really=SELDOM, confirmed=st.booleans())
    def erase(self, customer_id: str, really: bool, confirmed: bool) -> None:  # noqa: FBT001
        if really:
            note(f"erase {self.model.members(customer_id)}")
            self.do.erase(customer_id, confirmed=confirmed)

    @invariant()
    def check_step(self) -> None:
        self.world.steps += 1
        check_map(self.world)

    def teardown(self) -> None:
        try:
            if self.world.steps:
                self.do.come_to_rest()
                check_rows(self.world)
                check_history(self.world)
                while self.model.merges:
                    assert self.do.unmerge(self.model.merges[-1], [], UnmergeMode.LINEAR)
                    check_map(self.world)
                check_as_if_never_merged(self.world, self.records)
        finally:
            self.world.close()
