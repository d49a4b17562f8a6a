"""`review-desk list | show | approve | reject`: people look at cases and decide them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection

from customer_events import Actor
from customer_identity.approval import Grade
from customer_identity.explanation import picture
from event_runtime.faults import Fault
from event_runtime.files import writing
from event_runtime.output import plain, say, show_json
from review_desk.app import App
from review_desk.application.approve_cases import CaseResult, Choices, Decided
from review_desk.cases import UNDECIDED, Case, CaseState
from review_desk.terminal.show import case_json, finding, show_case, show_cases, show_failures

_PAGE = 500

ALL = "all"


class NoSuchCase(Fault):
    """There is no such case."""


def list_cases(
    app: App, *, tenant_id: str | None, states: Sequence[str], grades: Sequence[str], limit: int | None, as_json: bool
) -> int:
    """Print cases, the surest first: those that are undecided unless told otherwise."""
    wanted = tuple(CaseState) if ALL in states else tuple(map(CaseState, states)) or UNDECIDED
    with app.reading() as connection:
        graded = tuple(map(Grade, grades)) or tuple(Grade)
        found = list(_pages(app, connection, tenant_id=tenant_id, states=wanted, grades=graded, limit=limit))
        counts = app.tables.cases.counts(connection, tenant_id)
        ages = app.show_case.ages(connection, found)
    if as_json:
        show_json([case_json(case, ages.get(case.case_no)) for case in found])
        return 0
    show_cases(found, ages)
    say(", ".join(f"{count} {state.value.lower()}" for state, count in counts.items() if count) or "no cases")
    return 0


def show(app: App, name: str, *, svg: Path | None, as_json: bool) -> int:
    """Print one case in full; with `svg`, draw its evidence there, too."""
    with app.reading() as connection:
        shown = app.show_case(connection, find_case(app, connection, name))
    if svg is not None:
        with writing(svg) as out:
            out.write(picture(finding(shown.case), standalone=True))
        say(f"drawn in {svg}")
    if as_json:
        show_json(
            case_json(shown.case, shown.in_flight)
            | {
                "roots": list(shown.roots),
                "customers": plain(shown.customers),
                "preview": plain(shown.preview),
                "downstream_systems": list(app.settings.relink_systems),
                "decisions": plain(shown.decisions),
            }
        )
    else:
        show_case(shown, app.settings.relink_systems)
    return 0


def approve(app: App, names: Sequence[str], actor: Actor, choices: Choices, *, as_json: bool) -> int:
    """Approve cases; 1 when one of them was refused."""
    return _decide(
        app, names, lambda connection, cases: app.by_person.approve(connection, actor, cases, choices), as_json=as_json
    )


def reject(app: App, names: Sequence[str], actor: Actor, reason: str, *, as_json: bool) -> int:
    """Reject cases; 1 when one of them was refused."""
    return _decide(
        app, names, lambda connection, cases: app.by_person.reject(connection, actor, cases, reason), as_json=as_json
    )


def find_case(app: App, connection: Connection, name: str) -> Case:
    """A case by its number or its candidate's id. Raises NoSuchCase."""
    by_number = app.tables.cases.by_number(connection, int(name)) if name.isascii() and name.isdigit() else None
    if by_number is not None:
        return by_number
    found = app.tables.cases.by_candidate(connection, name)
    if len(found) > 1:
        raise NoSuchCase(f"{name} is a candidate of several tenants: name the case by its number")
    if not found:
        raise NoSuchCase(f"there is no case {name}")
    return found[0]


def _decide(app: App, names: Sequence[str], act: Callable[[Connection, list[Case]], Decided], *, as_json: bool) -> int:
    with app.database.begin() as connection:
        cases = list({case.case_no: case for case in (find_case(app, connection, name) for name in names)}.values())
        by_tenant: dict[str, list[Case]] = {}
        for case in cases:
            by_tenant.setdefault(case.tenant_id, []).append(case)
        decided = [act(connection, of_tenant) for _, of_tenant in sorted(by_tenant.items())]
        app.publish(connection, [draft for each in decided for draft in each.drafts])
    results = [result for each in decided for result in each.results]
    if as_json:
        show_json([_result_json(result) for result in results])
    else:
        show_cases([result.case for result in results if result.refused is None])
    for result in results:
        if result.refused is not None:
            say(f"case {result.case.case_no} {result.refused}")
            if not as_json:
                show_failures(f"Case {result.case.case_no}: rules that fail", result.failures)
    return 1 if any(result.refused is not None for result in results) else 0


def _result_json(result: CaseResult) -> dict[str, object]:
    return case_json(result.case) | {"refused": result.refused, "failures": plain(result.failures)}


def _pages(
    app: App,
    connection: Connection,
    *,
    tenant_id: str | None,
    states: Sequence[CaseState],
    grades: Sequence[Grade],
    limit: int | None,
) -> Iterator[Case]:
    after: tuple[float, int] | None = None
    left = limit
    while left is None or left > 0:
        page = app.tables.cases.listed(
            connection,
            tenant_id=tenant_id,
            states=states,
            grades=grades,
            after=after,
            limit=_PAGE if left is None else min(_PAGE, left),
        )
        yield from page
        if len(page) < _PAGE:
            return
        after = (page[-1].score, page[-1].case_no)
        left = None if left is None else left - len(page)
