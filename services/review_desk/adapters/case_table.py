"""Table review.cases. Every method runs in the caller's transaction."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from customer_identity.approval import EvidenceItem, Grade
from review_desk.cases import Case, CaseState, PersonApproval


class CaseTable:
    """Cases by candidate, by number, by member and by state."""

    def by_candidates(self, connection: Connection, tenant_id: str, candidate_ids: Collection[str]) -> dict[str, Case]:
        """The cases of these candidates, by candidate id."""
        found = connection.execute(
            _BY_CANDIDATES, {"tenant_id": tenant_id, "candidate_ids": sorted(set(candidate_ids))}
        )
        return {case.candidate_id: case for case in _cases(found.mappings().all())}

    def by_number(self, connection: Connection, case_no: int) -> Case | None:
        """The case with this number, of whatever tenant."""
        found = connection.execute(_BY_NUMBER, {"case_no": case_no})
        return next(iter(_cases(found.mappings().all())), None)

    def by_candidate(self, connection: Connection, candidate_id: str) -> list[Case]:
        """The cases of a candidate id; more than one only when tenants share it."""
        return _cases(connection.execute(_BY_CANDIDATE, {"candidate_id": candidate_id}).mappings().all())

    def touching(
        self,
        connection: Connection,
        tenant_id: str,
        customer_ids: Collection[str],
        states: Collection[CaseState],
    ) -> list[Case]:
        """The cases in these states that name any of the customers, the surest first."""
        asked = {
            "tenant_id": tenant_id,
            "customer_ids": sorted(set(customer_ids)),
            "states": [state.value for state in states],
        }
        return _cases(connection.execute(_TOUCHING, asked).mappings().all())

    def denied_pairs(
        self, connection: Connection, tenant_id: str, customer_ids: Collection[str]
    ) -> list[tuple[str, str]]:
        """The pairs that a person called two people, of which a customer is among these."""
        asked = {"tenant_id": tenant_id, "customer_ids": sorted(set(customer_ids))}
        return [(row.pair_a, row.pair_b) for row in connection.execute(_DENIED, asked)]

    def listed(
        self,
        connection: Connection,
        *,
        tenant_id: str | None,
        states: Collection[CaseState],
        grades: Collection[Grade],
        after: tuple[float, int] | None,
        limit: int,
    ) -> list[Case]:
        """At most `limit` cases, the surest first, behind the (score, number) given in `after`."""
        asked = {
            "tenant_id": tenant_id,
            "states": [state.value for state in states],
            "grades": [grade.value for grade in grades],
            "after_score": after[0] if after else None,
            "after_no": after[1] if after else None,
            "limit": limit,
        }
        return _cases(connection.execute(_LISTED, asked).mappings().all())

    def counts(self, connection: Connection, tenant_id: str | None) -> dict[CaseState, int]:
        """How many cases are in each state, zeros included."""
        found = dict.fromkeys(CaseState, 0)
        for state, count in connection.execute(_COUNTS, {"tenant_id": tenant_id}):
            found[CaseState(state)] = count
        return found

    def save(self, connection: Connection, cases: Sequence[Case]) -> None:
        """Insert each case, or replace it; one case at most once in a call."""
        if cases:
            connection.execute(_SAVE, [_values(case) for case in cases])


_COLUMNS = (
    "tenant_id, candidate_id, case_no, revision, pair_a, pair_b, members, score, grade, evidence, model_version,"
    " suggested_winner_id, suggested_why, safe_to_automate, blocked_because, detected_at, state, why, attempts,"
    " command_id, merge_id, approval, automatic, denied"
)
_SELECT = f"SELECT {_COLUMNS} FROM review.cases"

_BY_CANDIDATES = text(f"{_SELECT} WHERE tenant_id = :tenant_id AND candidate_id = ANY (CAST(:candidate_ids AS text[]))")
_BY_NUMBER = text(f"{_SELECT} WHERE case_no = :case_no")
_BY_CANDIDATE = text(f"{_SELECT} WHERE candidate_id = :candidate_id ORDER BY tenant_id")
_TOUCHING = text(
    f"{_SELECT} WHERE tenant_id = :tenant_id AND member_ids && CAST(:customer_ids AS text[])"
    " AND state = ANY (CAST(:states AS text[])) ORDER BY score DESC, case_no"
)
_DENIED = text(
    "SELECT pair_a, pair_b FROM review.cases WHERE tenant_id = :tenant_id AND denied"
    " AND member_ids && CAST(:customer_ids AS text[])"
)
_LISTED = text(
    f"{_SELECT} WHERE (CAST(:tenant_id AS text) IS NULL OR tenant_id = :tenant_id)"
    " AND state = ANY (CAST(:states AS text[])) AND grade = ANY (CAST(:grades AS text[]))"
    " AND (CAST(:after_no AS bigint) IS NULL"
    "      OR (-score, case_no) > (-CAST(:after_score AS double precision), CAST(:after_no AS bigint)))"
    " ORDER BY score DESC, case_no LIMIT :limit"
)
_COUNTS = text(
    "SELECT state, count(*) FROM review.cases"
    " WHERE CAST(:tenant_id AS text) IS NULL OR tenant_id = :tenant_id GROUP BY state"
)
_SAVE = text(
    """
        INSERT INTO review.cases ( tenant_id, candidate_id, revision, pair_a, pair_b, members, member_ids,
        score, grade, evidence, model_version, suggested_winner_id, suggested_why, safe_to_automate,
        blocked_because, detected_at, state, why, attempts, command_id, merge_id, approval, automatic,
        denied) VALUES ( :tenant_id, :candidate_id, :revision, :pair_a, :pair_b, CAST(:members AS jsonb),
        :member_ids, :score, :grade, CAST(:evidence AS jsonb), :model_version, :suggested_winner_id,
        :suggested_why, :safe_to_automate, :blocked_because, :detected_at, :state, :why, :attempts,
        :command_id, :merge_id, CAST(:approval AS jsonb), :automatic, :denied) ON CONFLICT (tenant_id,
        candidate_id) DO UPDATE SET revision = excluded.revision, pair_a = excluded.pair_a, pair_b =
        excluded.pair_b, members = excluded.members, member_ids = excluded.member_ids, score =
        excluded.score, grade = excluded.grade, evidence = excluded.evidence, model_version =
        excluded.model_version, suggested_winner_id = excluded.suggested_winner_id, suggested_why =
        excluded.suggested_why, safe_to_automate = excluded.safe_to_automate, blocked_because =
        excluded.blocked_because, detected_at = excluded.detected_at, state = excluded.state, why =
        excluded.why, attempts = excluded.attempts, command_id = excluded.command_id, merge_id =
        excluded.merge_id, approval = excluded.approval, automatic = excluded.automatic, denied =
        excluded.denied, changed_at = clock_timestamp()
    """
)


def _values(case: Case) -> dict[str, Any]:
    return {
        "tenant_id": case.tenant_id,
        "candidate_id": case.candidate_id,
        "revision": case.revision,
        "pair_a": case.pair[0],
        "pair_b": case.pair[1],
        "members": json.dumps(case.members),
        "member_ids": list(case.member_ids),
        "score": case.score,
        "grade": case.grade.value,
        "evidence": json.dumps([(item.field, item.level, item.weight) for item in case.evidence]),
        "model_version": case.model_version,
        "suggested_winner_id": case.suggested_winner_id,
        "suggested_why": case.suggested_why,
        "safe_to_automate": case.safe_to_automate,
        "blocked_because": list(case.blocked_because),
        "detected_at": case.detected_at,
        "state": case.state.value,
        "why": list(case.why),
        "attempts": case.attempts,
        "command_id": case.command_id,
        "merge_id": case.merge_id,
        "approval": None if case.approval is None else json.dumps(_approval_values(case.approval)),
        "automatic": case.automatic,
        "denied": case.denied,
    }


def _cases(rows: Sequence[RowMapping]) -> list[Case]:
    return [_case(row) for row in rows]


def _case(row: RowMapping) -> Case:
    return Case(
        tenant_id=row["tenant_id"],
        candidate_id=row["candidate_id"],
        case_no=row["case_no"],
        revision=row["revision"],
        pair=(row["pair_a"], row["pair_b"]),
        members=tuple((customer_id, version) for customer_id, version in row["members"]),
        score=row["score"],
        grade=Grade(row["grade"]),
        evidence=tuple(EvidenceItem(field=name, level=level, weight=w) for name, level, w in row["evidence"]),
        model_version=row["model_version"],
        suggested_winner_id=row["suggested_winner_id"],
        suggested_why=row["suggested_why"],
        safe_to_automate=row["safe_to_automate"],
        blocked_because=tuple(row["blocked_because"]),
        detected_at=row["detected_at"],
        state=CaseState(row["state"]),
        why=tuple(row["why"]),
        attempts=row["attempts"],
        command_id=row["command_id"],
        merge_id=row["merge_id"],
        approval=None if row["approval"] is None else _approval(row["approval"]),
        automatic=row["automatic"],
        denied=row["denied"],
    )


def _approval_values(approval: PersonApproval) -> dict[str, Any]:
    return {
        "by": approval.by,
        "roles": approval.roles,
        "at": approval.at.isoformat(),
        "reason": approval.reason,
        "seen_members": sorted(approval.seen_members),
        "winner_id": approval.winner_id,
        "field_choices": approval.field_choices,
        "row_choices": approval.row_choices,
        "facilitator_id": approval.facilitator_id,
        "not_before": None if approval.not_before is None else approval.not_before.isoformat(),
        "waived_rules": approval.waived_rules,
        "wait_until_eligible": approval.wait_until_eligible,
        "second_by": approval.second_by,
        "second_at": None if approval.second_at is None else approval.second_at.isoformat(),
    }


def _approval(values: dict[str, Any]) -> PersonApproval:
    return PersonApproval(
        by=values["by"],
        roles=tuple(values["roles"]),
        at=datetime.fromisoformat(values["at"]),
        reason=values["reason"],
        seen_members=frozenset(values["seen_members"]),
        winner_id=values["winner_id"],
        field_choices=tuple((name, customer_id) for name, customer_id in values["field_choices"]),
        # Approvals of before these were asked for hold none of them.
        row_choices=tuple((table, tuple(ids)) for table, ids in values.get("row_choices", ())),
        facilitator_id=values.get("facilitator_id"),
        not_before=_time(values.get("not_before")),
        waived_rules=tuple(values["waived_rules"]),
        wait_until_eligible=values["wait_until_eligible"],
        second_by=values.get("second_by"),
        second_at=_time(values.get("second_at")),
    )


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
