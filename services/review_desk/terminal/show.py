"""How cases, customers and requests look on a terminal, and as JSON."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from customer_identity.explanation import WEIGHT_COLUMNS, WEIGHTS_TITLE, Finding, sentence, weight_rows
from customer_identity.merging import RuleFailure
from event_runtime.output import cell, plain, show_table
from merge_engine import CustomerSummary, Preview
from review_desk.application.report_requests import RequestReported
from review_desk.application.show_case import CaseShown
from review_desk.cases import Case


def case_json(case: Case, in_flight: timedelta | None = None) -> dict[str, Any]:
    """A case as `list --json` gives it; `in_flight` is the age of the command it waits for."""
    return {
        "case": case.case_no,
        "tenant_id": case.tenant_id,
        "candidate_id": case.candidate_id,
        "revision": case.revision,
        "state": case.state.value,
        "grade": case.grade.value,
        "score": case.score,
        "pair": list(case.pair),
        "members": list(case.member_ids),
        "evidence": plain(case.evidence),
        "blocked_because": list(case.blocked_because),
        "sentence": sentence(finding(case)),
        "reasons": [_reason(why) for why in case.why],
        "suggested_winner_id": case.suggested_winner_id,
        "suggested_why": case.suggested_why,
        "model_version": case.model_version,
        "command_id": case.command_id,
        "in_flight_s": None if in_flight is None else int(in_flight.total_seconds()),
        "merge_id": case.merge_id,
        "detected_at": plain(case.detected_at),
    }


def finding(case: Case) -> Finding:
    """What the detector told of a case."""
    return Finding(score=case.score, grade=case.grade, evidence=case.evidence, blocked_because=case.blocked_because)


def show_cases(cases: Iterable[Case], ages: Mapping[int, timedelta] | None = None) -> None:
    """The list of cases, with the ages of the commands they wait for by the number of the case."""
    known = ages or {}
    show_table(
        "Cases",
        ("case", "state", "in flight for", "grade", "score", "customers", "why"),
        [
            (
                case.case_no,
                case.state,
                _age(known.get(case.case_no)),
                case.grade,
                case.score,
                case.member_ids,
                "; ".join(case.why),
            )
            for case in cases
        ],
    )


def show_case(shown: CaseShown, systems: Sequence[str]) -> None:
    """A case in full; `systems` must follow every merge."""
    case = shown.case
    sys.stdout.write(f"{cell(sentence(finding(case)))}\n\n")
    facts = [
        ("state", case.state),
        ("why", "; ".join(case.why)),
        ("grade, score", f"{case.grade.value}, {case.score:.4g}"),
        ("compared", case.pair),
        ("identities", shown.roots),
        ("suggested winner", " ".join(filter(None, (case.suggested_winner_id, case.suggested_why)))),
        ("systems that must follow a merge", () if shown.preview is None else systems),
        ("detector objects", case.blocked_because),
        ("model, detected", (case.model_version, case.detected_at)),
        ("command", case.command_id),
        ("in flight for", _age(shown.in_flight)),
        ("merge", case.merge_id),
    ]
    show_table(f"Case {case.case_no}", ("", ""), [(name, value) for name, value in facts if value])
    show_customers("Customers", shown.customers)
    show_table(WEIGHTS_TITLE, WEIGHT_COLUMNS, weight_rows(finding(case)))
    if shown.preview is not None:
        show_preview(shown.preview)
    show_table(
        "Decisions",
        ("when", "decision", "by", "revision", "reason"),
        [(made.decided_at, made.decision, made.decided_by, made.revision, made.reason) for made in shown.decisions],
    )


def show_preview(preview: Preview) -> None:
    """What a merge would do, and what stands against it."""
    verdict = "would merge" if preview.eligible else "would be refused"
    into = f" into {preview.winner_id}" if preview.winner_id else ""
    show_table(
        f"Preview: {verdict}{into}",
        ("table", "rows that move", "collisions"),
        [(move.table, move.rows, move.collisions) for move in preview.moves],
    )
    show_table(
        "Fields of the winner",
        ("field", "value", "from", "strategy", "alternatives"),
        [
            (
                field.decision.field,
                field.value,
                field.decision.from_customer_id,
                field.decision.strategy,
                [f"{customer_id}: {value}" for customer_id, value in field.alternatives.items()],
            )
            for field in preview.fields
        ],
    )
    if preview.choices:
        lines = [line for offered in preview.choices for line in offered.lines()]
        show_table("Rows to choose among", ("table", "id", "customer", "row"), lines)
    show_failures("Rules that fail", preview.failures)
    show_failures("Rules that warn", preview.warnings)


def show_failures(title: str, failures: Sequence[RuleFailure]) -> None:
    """Rules with the way out of each."""
    if failures:
        show_table(
            title,
            ("rule", "customers", "permanent", "what", "what to do"),
            [
                (failure.rule, failure.customer_ids, failure.permanent, failure.message, failure.remediation)
                for failure in failures
            ],
        )


def show_customers(title: str, customers: Iterable[CustomerSummary]) -> None:
    """Customers as a search finds them."""
    show_table(
        title,
        ("customer", "status", "merged into", "source", "name", "identifiers"),
        [
            (
                customer.customer_id,
                customer.status,
                customer.merged_into,
                customer.source,
                customer.display_name,
                [f"{one.kind} {one.value}{' (verified)' if one.verified else ''}" for one in customer.identifiers],
            )
            for customer in customers
        ],
    )


REQUEST_COLUMNS = (
    "request",
    "status",
    "winner",
    "losers",
    "eligible",
    "failing rules",
    "waives",
    "waiting for",
    "next attempt",
    "requested by",
    "recommended by",
    "approved by",
    "reason",
    "merge",
    "created",
)


def request_row(reported: RequestReported) -> tuple[object, ...]:
    """A request as a line of the report, in the order of REQUEST_COLUMNS."""
    request = reported.request
    return (
        request.request_id,
        request.status,
        request.winner_id,
        request.loser_ids,
        reported.eligible,
        reported.failing_rules,
        request.waived_rules,
        request.waiting_for,
        request.next_attempt_at if request.is_open else None,
        request.requested_by,
        request.recommended_by,
        request.approved_by,
        request.reason,
        request.merge_id,
        request.created_at,
    )


def show_requests(title: str, reported: Iterable[RequestReported]) -> None:
    """Requests as lines of the report."""
    show_table(title, REQUEST_COLUMNS, map(request_row, reported))


def request_json(reported: RequestReported) -> dict[str, Any]:
    """A request as `requests --json` gives it."""
    return {
        **{name: value for name, value in plain(reported.request).items() if name != "command"},
        "eligible": reported.eligible,
        "failing_rules": list(reported.failing_rules),
        "failures": plain(reported.failures),
    }


def _age(age: timedelta | None) -> str | None:
    return None if age is None else str(timedelta(seconds=int(age.total_seconds())))


def _reason(why: str) -> dict[str, str]:
    code, _, detail = why.partition(": ")
    return {"code": code, "message": detail}
