"""What a person needs to decide a case: the customers, the evidence, and what a merge would do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from merge_engine import CustomerSummary, MergeEngine, Preview
from review_desk.adapters.decision_log import DecisionMade
from review_desk.adapters.desk_control import database_time
from review_desk.adapters.tables import DeskTables
from review_desk.application.decide_cases import awaited_command
from review_desk.cases import Case, PersonApproval
from review_desk.merge_commands import MERGE_ROLE, as_order, by_person


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseShown:
    """A case in full. `roots` are the canonical ids of its pair; `preview` is None when they are one already.

    `in_flight` is the age of the command that the case waits for.

    `customers` and `preview` hold personal data, for the eyes of whoever decides.
    """

    case: Case
    roots: tuple[str, ...]
    customers: tuple[CustomerSummary, ...]
    preview: Preview | None
    decisions: tuple[DecisionMade, ...]
    in_flight: timedelta | None


class ShowCase:
    """Reads only."""

    def __init__(self, *, tables: DeskTables, merges: MergeEngine) -> None:
        """Reads `tables`, and previews with `merges`."""
        self._tables = tables
        self._merges = merges

    def __call__(self, connection: Connection, case: Case) -> CaseShown:
        """The case as it stands at this moment."""
        canonical = self._merges.canonical(connection, case.tenant_id, case.member_ids)
        roots = tuple(sorted({canonical[customer_id].canonical_id for customer_id in case.pair}))
        records = self._merges.records(connection, case.tenant_id, [*dict.fromkeys((*case.member_ids, *roots))])
        return CaseShown(
            case=case,
            in_flight=self.ages(connection, [case]).get(case.case_no),
            roots=roots,
            customers=tuple(records.values()),
            preview=self._preview(connection, case, roots) if len(roots) > 1 else None,
            decisions=tuple(self._tables.decisions.of_case(connection, case.tenant_id, case.candidate_id)),
        )

    def ages(self, connection: Connection, cases: Sequence[Case]) -> dict[int, timedelta]:
        """How old the commands are that cases wait for, by the number of the case."""
        awaited = {
            case.case_no: (case.tenant_id, command_id)
            for case in cases
            if (command_id := awaited_command(case)) is not None
        }
        since = self._tables.commands.in_flight_since(connection, awaited.values())
        now = database_time(connection)
        return {case_no: now - since[command] for case_no, command in awaited.items() if command in since}

    def _preview(self, connection: Connection, case: Case, roots: tuple[str, ...]) -> Preview:
        now = database_time(connection)
        nobody_yet = PersonApproval(
            by="preview", roles=(MERGE_ROLE,), at=now, reason="preview", seen_members=frozenset()
        )
        return self._merges.preview(connection, as_order(by_person(case, roots, None, nobody_yet, now)))
