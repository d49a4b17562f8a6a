"""A plan, compiled: its pure policy and every statement that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from customer_identity.merging.policy import MergePolicy
from merge_engine.plan_file import Plan
from merge_engine.statements.children import ChildStatements, child_statements
from merge_engine.statements.chunks import ChunkStatements, chunk_statements
from merge_engine.statements.conversion import ConversionStatements, conversion_statements
from merge_engine.statements.customers import CustomerStatements, customer_statements, mark_parameters
from merge_engine.statements.erasure import ErasureStatements, erasure_statements
from merge_engine.statements.facts import Facts, figures_statement, identities_statement
from merge_engine.statements.names import Names
from merge_engine.statements.policy import policy_of
from merge_engine.statements.reads import ReadStatements, read_statements
from merge_engine.statements.undo import UndoStatements, undo_statements
from merge_engine.statements.upkeep import UpkeepStatements, upkeep_statements


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPlan:
    """Everything that is derived from a plan once and used for every batch.

    `field_columns` are the columns that fields are decided from, in the order in which they open a member's facts.
    """

    plan: Plan
    names: Names
    policy: MergePolicy
    field_columns: tuple[str, ...]
    identities: str
    figures: str
    mark_parameters: Mapping[str, Any]
    customers: CustomerStatements
    children: tuple[ChildStatements, ...]
    chunks: ChunkStatements
    upkeep: UpkeepStatements
    reads: ReadStatements
    undo: UndoStatements
    erasure: ErasureStatements
    conversion: ConversionStatements | None


def compile_plan(plan: Plan, schema: str) -> CompiledPlan:
    """Compile a plan; `schema` holds the engine's own tables."""
    names = Names.of(plan, schema)
    facts, figures = Facts(plan, names), Facts(plan, names)
    policy, field_columns = policy_of(plan, facts, figures)
    return CompiledPlan(
        plan=plan,
        names=names,
        policy=policy,
        field_columns=field_columns,
        identities=identities_statement(names, names.version("c"), facts),
        figures=figures_statement(names, figures),
        mark_parameters=mark_parameters(plan),
        customers=customer_statements(plan, names),
        children=child_statements(plan, names),
        chunks=chunk_statements(plan, names),
        upkeep=upkeep_statements(plan, names),
        reads=read_statements(plan, names),
        undo=undo_statements(plan, names, field_columns),
        erasure=erasure_statements(plan, names),
        conversion=conversion_statements(plan, names),
    )
