"""Picks the merges worth showing, and shows them: records before, customer after, evidence between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from customer_events import CustomerMerged, MergeCandidateFound
from customer_identity.explanation import Finding
from customer_merge_demo.customers import TENANT_ID, Customer
from customer_merge_demo.results.facts import ComparisonView, PersonView, RecordView
from customer_merge_demo.results.identities import members

SHOWN_PERSONS = 30
_LARGEST, _LEAST_SURE = 8, 10
# A field decided otherwise than by the winner's own value, by the column of the report it shows in.
_COLUMN_OF = {"full_name": "name", "given_name": "name", "family_name": "name", "date_of_birth": "born"}


def record_view(customer: Customer) -> RecordView:
    """A record as it was put in."""
    return RecordView(
        customer_id=customer.customer_id,
        source=customer.source or "import",
        fields=_fields(customer.attributes, customer.display_name),
        orders=len(customer.history.orders),
        points=customer.history.points,
    )


def person_views(
    connection: Connection,
    customers: Sequence[Customer],
    canonical: Mapping[str, str],
    merges: Sequence[CustomerMerged],
    candidates: Mapping[str, MergeCandidateFound],
) -> list[PersonView]:
    """The people worth a look: the largest identities, the least sure merges, then others as they come."""
    groups = {root: group for root, group in members(canonical).items() if len(group) > 1}
    merges_of: dict[str, list[CustomerMerged]] = defaultdict(list)
    for merged in merges:
        merges_of[canonical.get(merged.winner.id, merged.winner.id)].append(merged)
    by_id = {customer.customer_id: customer for customer in customers}
    chosen = _chosen(groups, merges_of, candidates)
    after = _after(connection, chosen)
    return [
        PersonView(
            canonical_id=root,
            before=[
                record_view(by_id[customer_id]) for customer_id in sorted(groups[root], key=lambda id_: id_ != root)
            ],
            after=after[root]["fields"],
            decisions=_decisions(root, merges_of[root]),
            orders=after[root]["orders"],
            points=after[root]["points"],
            comparisons=[
                ComparisonView(
                    a=found.pair.a,
                    b=found.pair.b,
                    finding=Finding(
                        score=found.score,
                        grade=found.grade,
                        evidence=found.evidence,
                        blocked_because=found.blocked_because,
                    ),
                )
                for merged in merges_of[root]
                if (found := candidates.get(merged.candidate_id or ""))
            ],
        )
        for root in chosen
    ]


def _chosen(
    groups: Mapping[str, list[str]],
    merges_of: Mapping[str, list[CustomerMerged]],
    candidates: Mapping[str, MergeCandidateFound],
) -> list[str]:
    def surety(root: str) -> float:
        found = (candidates.get(merged.candidate_id or "") for merged in merges_of.get(root, ()))
        scores = [candidate.score for candidate in found if candidate is not None]
        return min(scores, default=1.0)

    largest = sorted(groups, key=lambda root: (-len(groups[root]), root))[:_LARGEST]
    least_sure = sorted(groups, key=lambda root: (surety(root), root))[:_LEAST_SURE]
    return list(dict.fromkeys((*largest, *least_sure, *groups)))[:SHOWN_PERSONS]


def _decisions(root: str, merges: Sequence[CustomerMerged]) -> dict[str, str]:
    return {
        _COLUMN_OF[decision.field]: decision.from_customer_id
        for merged in merges
        for decision in merged.field_decisions
        if decision.field in _COLUMN_OF and decision.from_customer_id and decision.from_customer_id != root
    }


def _after(connection: Connection, roots: Sequence[str]) -> dict[str, dict[str, Any]]:
    rows = connection.execute(text(_AFTER), {"tenant": TENANT_ID, "ids": list(roots)})
    return {
        row.customer_id: {
            "orders": row.orders,
            "points": int(row.points),
            "fields": _fields(
                {"email": row.emails or "", "phone": row.phones or "", "date_of_birth": row.date_of_birth or ""}
                | {"street": row.addresses or ""},
                row.full_name
                or " ".join(filter(None, (row.given_name, row.middle_name, row.family_name)))
                or row.customer_id,
            ),
        }
        for row in rows
    }


def _fields(attributes: Mapping[str, str], name: str) -> dict[str, str]:
    place = " ".join(filter(None, (attributes.get("region"), attributes.get("postal_code"))))
    address = ", ".join(filter(None, (attributes.get("street"), attributes.get("city"), place)))
    shown = {
        "name": name,
        "born": attributes.get("date_of_birth", ""),
        "e-mail": attributes.get("email", ""),
        "phone": attributes.get("phone", ""),
        "address": address,
    }
    return {column: value for column, value in shown.items() if value}


_AFTER = """
SELECT c.customer_id, c.full_name, c.given_name, c.middle_name, c.family_name, c.date_of_birth,
       (SELECT string_agg(email, ', ' ORDER BY is_primary DESC, id) FROM store.emails e
         WHERE e.tenant_id = c.tenant_id AND e.customer_id = c.customer_id) AS emails,
       (SELECT string_agg(phone, ', ' ORDER BY is_primary DESC, id) FROM store.phones p
         WHERE p.tenant_id = c.tenant_id AND p.customer_id = c.customer_id) AS phones,
       (SELECT string_agg(DISTINCT concat_ws(', ', street, city, nullif(concat_ws(' ', region, postal_code), '')), '; ')
          FROM store.addresses a WHERE a.tenant_id = c.tenant_id AND a.customer_id = c.customer_id) AS addresses,
       (SELECT count(*) FROM store.orders o
         WHERE o.tenant_id = c.tenant_id AND o.customer_id = c.customer_id) AS orders,
       coalesce((SELECT points FROM store.loyalty_accounts l
                  WHERE l.tenant_id = c.tenant_id AND l.customer_id = c.customer_id), 0) AS points
  FROM store.customers c
 WHERE c.tenant_id = :tenant AND c.customer_id = ANY (CAST(:ids AS text[]))"""
