"""Turns what is known at the end of a run into facts, and writes every file of the output directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from customer_merge_demo.customers import CustomerSet
from customer_merge_demo.orchestration.recorder import Heard
from customer_merge_demo.results.checks import Check, Evidence, redirected_ids, run_checks
from customer_merge_demo.results.facts import Facts, Sample, SystemView
from customer_merge_demo.results.files import write_identities, write_pairs
from customer_merge_demo.results.identities import accuracy, sizes, whole_map
from customer_merge_demo.results.persons import person_views
from customer_merge_demo.results.report import render
from customer_merge_demo.results.waiting import OpenCases
from customer_merge_demo.systems import SYSTEMS

_GRADES = ("CERTAIN", "PROBABLE", "POSSIBLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What a run has at its end, before anything is looked up."""

    customers: CustomerSet
    heard: Heard
    samples: Sequence[Sample]
    timing: Mapping[str, float]
    memory: Mapping[str, int]
    more_checks: Sequence[Check]
    open_cases: OpenCases


def collect(connection: Connection, ending: Ending, out: Path) -> Facts:
    """Check everything, write identity.csv, pairs.csv and report.html into `out`, return the facts."""
    customers, heard = ending.customers, ending.heard
    redirected = redirected_ids(connection)
    canonical = whole_map((customer.customer_id for customer in customers.customers), redirected)
    evidence = Evidence(customers=customers, heard=heard, redirected=redirected, systems=SYSTEMS)
    by_id = {customer.customer_id: customer for customer in customers.customers}
    grades = Counter(str(found.grade) for found in heard.candidates.values())
    merge_ids = {merged.merge_id for merged in heard.merges}
    facts = Facts(
        input_name=customers.name,
        invented_history=customers.truth is None,
        records=len(canonical),
        people=len(set(canonical.values())),
        sizes=sizes(canonical),
        merges=len(heard.merges),
        candidates={grade: grades[grade] for grade in _GRADES},
        commands=len(heard.commands),
        rejected=Counter(error.rule for rejected in heard.rejected.values() for error in rejected.errors),
        waiting=len(ending.open_cases.cases),
        waiting_reasons=ending.open_cases.reasons(),
        persons=person_views(connection, customers.customers, canonical, heard.merges, heard.candidates),
        cases=ending.open_cases.views(by_id),
        systems=[
            SystemView(
                title=system.title,
                relinked=dict(heard.relinked[system.system]),
                acknowledged=len(merge_ids & heard.acknowledged[system.system]),
            )
            for system in SYSTEMS
        ],
        checks=[*run_checks(connection, evidence), *ending.more_checks],
        accuracy=accuracy(canonical, customers.truth) if customers.truth is not None else None,
        timing=dict(ending.timing),
        samples=ending.samples,
        memory=ending.memory,
        warnings=customers.warnings,
    )
    write_identities(out / "identity.csv", canonical)
    write_pairs(out / "pairs.csv", heard.candidates.values())
    (out / "report.html").write_text(render(facts), encoding="utf-8")
    return facts
