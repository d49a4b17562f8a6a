"""A plan, compiled: its pure policy and every statement that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from customer_identity.merging.policy import MergePolicy
from merge_engine.plan_file import Plan
from merge_engine.statements.children import ChildStatements, child_statements
from merge_engine.statements.customers import CustomerStatements, customer_statements, mark_parameters
from merge_engine.statements.facts import Facts, identities_statement
from merge_engine.statements.names import Names
from merge_engine.statements.policy import policy_of
from merge_engine.statements.reads import ReadStatements, read_statements
from merge_engine.statements.undo import UndoStatements, undo_statements
from merge_engine.statements.upkeep import UpkeepStatements, upkeep_statements


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPlan:
    """Everything that is derived from a plan once and used for every batch."""

    plan: Plan
    names: Names
    policy: MergePolicy
    identities: str
    fact_parameters: Mapping[str, Any]
    mark_parameters: Mapping[str, Any]
    customers: CustomerStatements
    children: tuple[ChildStatements, ...]
    upkeep: UpkeepStatements
    reads: ReadStatements
    undo: UndoStatements


def compile_plan(plan: Plan, schema: str) -> CompiledPlan:
    """Compile a plan; `schema` holds the engine's own tables."""
    names = Names.of(plan, schema)
    facts = Facts(plan, names)
    policy = policy_of(plan, facts)
    return CompiledPlan(
        plan=plan,
        names=names,
        policy=policy,
        identities=identities_statement(names, plan.customer.version, facts),
        fact_parameters=facts.parameters,
        mark_parameters=mark_parameters(plan),
        customers=customer_statements(plan, names),
        children=tuple(child_statements(child, names) for child in plan.children),
        upkeep=upkeep_statements(plan, names),
        reads=read_statements(plan, names),
        undo=undo_statements(plan, names),
    )
