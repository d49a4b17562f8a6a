"""Proof that merges left everything as it should be; reads only, and takes no locks."""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from customer_identity.merging.identity_map import roots_of
from merge_engine.compiled_plan import CompiledPlan
from merge_engine.large.progress import load_moving
from merge_engine.loading import load_roots
from merge_engine.reading import load_merge
from merge_engine.values import Finding, FindingKind

_Scope = Mapping[str, str | None]


def verify(connection: Connection, compiled: CompiledPlan, merge_id: str | None) -> Iterator[Finding]:
    """Check the identity of one merge, or everything. An unknown merge has nothing to find."""
    scope: _Scope = {"tenant": None, "root": None}
    if merge_id is not None:
        merge = load_merge(connection, compiled, merge_id)
        if merge is None:
            return
        customer = (merge.tenant_id, merge.winner_id)
        scope = {"tenant": merge.tenant_id, "root": load_roots(connection, compiled, [customer]).by_id[customer]}
    moving = load_moving(connection, compiled, scope["tenant"], scope["root"])
    yield from moving.findings
    yield from moving.without_theirs(_leftovers(connection, compiled, scope))
    yield from _map(connection, compiled, scope)
    yield from moving.without_theirs(_records(connection, compiled, scope))
    yield from moving.without_theirs(_sums(connection, compiled, scope))
    yield from moving.without_theirs(_unjournalled(connection, compiled, scope))


def _leftovers(connection: Connection, compiled: CompiledPlan, scope: _Scope) -> Iterator[Finding]:
    for table, statement in compiled.upkeep.leftovers:
        for tenant, customer_id, count in connection.exec_driver_sql(statement, scope):
            yield Finding(
                kind=FindingKind.ROWS_LEFT_ON_LOSER,
                tenant_id=tenant,
                customer_id=customer_id,
                table=table,
                detail=f"{count} rows",
            )


def _map(connection: Connection, compiled: CompiledPlan, scope: _Scope) -> Iterator[Finding]:
    """The map must say of every loser what following the edges says, in one step, and of nobody else anything."""
    edges: dict[str, dict[str, str]] = {}
    for tenant, loser, winner in connection.exec_driver_sql(compiled.upkeep.edges, scope):
        edges.setdefault(tenant, {})[loser] = winner
    answers = {tenant: roots_of(winner_by_loser) for tenant, winner_by_loser in edges.items()}
    for tenant, (_, circular) in answers.items():
        for customer_id in sorted(circular):
            yield _map_finding(FindingKind.EDGES_IN_A_CIRCLE, tenant, customer_id, "its edges never reach a root")
    mapped: dict[str, dict[str, tuple[str, str]]] = {}
    for tenant, customer_id, canonical_id, direct_to in connection.exec_driver_sql(compiled.upkeep.map_rows, scope):
        mapped.setdefault(tenant, {})[customer_id] = (canonical_id, direct_to)
    for tenant in sorted(edges.keys() | mapped.keys()):
        own, (roots, circular) = mapped.get(tenant, {}), answers.get(tenant, ({}, frozenset()))
        for customer_id in sorted(own.keys() | edges.get(tenant, {}).keys() - circular):
            canonical_id, direct_to = own.get(customer_id, (customer_id, customer_id))
            if canonical_id in own:
                yield _map_finding(FindingKind.MAP_NOT_FLAT, tenant, customer_id, f"answers {canonical_id}, no root")
            edge = edges.get(tenant, {}).get(customer_id)
            if (canonical_id, direct_to) != (roots.get(customer_id), edge):
                detail = f"the map says {canonical_id}, the edges say {roots.get(customer_id)}"
                yield _map_finding(FindingKind.MAP_DIFFERS_FROM_EDGES, tenant, customer_id, detail)


def _map_finding(kind: FindingKind, tenant: str, customer_id: str, detail: str) -> Finding:
    return Finding(kind=kind, tenant_id=tenant, customer_id=customer_id, table=None, detail=detail)


def _records(connection: Connection, compiled: CompiledPlan, scope: _Scope) -> Iterator[Finding]:
    linked = compiled.plan.disposition.column is not None
    parameters = {**scope, **compiled.mark_parameters}
    for tenant, customer_id, detail in connection.exec_driver_sql(compiled.upkeep.records, parameters):
        yield Finding(
            kind=FindingKind.LINK_DIFFERS_FROM_MAP if linked else FindingKind.RECORD_DIFFERS_FROM_MAP,
            tenant_id=tenant,
            customer_id=customer_id,
            table=compiled.plan.customer.table,
            detail=detail,
        )


def _sums(connection: Connection, compiled: CompiledPlan, scope: _Scope) -> Iterator[Finding]:
    for check in compiled.upkeep.sums:
        for tenant, customer_id, figure, total in connection.exec_driver_sql(check.statement, scope):
            yield Finding(
                kind=FindingKind.SUM_DIFFERS,
                tenant_id=tenant,
                customer_id=customer_id,
                table=check.table,
                detail=f"{check.column} is {figure}, the rows it stands for make {total}",
            )


def _unjournalled(connection: Connection, compiled: CompiledPlan, scope: _Scope) -> Iterator[Finding]:
    """What a merge did to its records must be on record, or nobody can undo it."""
    for tenant, customer_id, merge_id in connection.exec_driver_sql(compiled.upkeep.unjournalled, scope):
        yield Finding(
            kind=FindingKind.JOURNAL_MISSING,
            tenant_id=tenant,
            customer_id=customer_id,
            table=None,
            detail=f"merge {merge_id} has no record of what it did",
        )
