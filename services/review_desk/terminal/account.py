"""How one customer looks in full: what somebody needs to know before a merge."""

from typing import Any

from event_runtime.output import plain, show_table
from merge_engine.standing import RuleStanding
from review_desk.application.show_account import AccountShown
from review_desk.terminal.show import case_json, request_json, show_cases, show_customers, show_requests


def account_json(shown: AccountShown) -> dict[str, Any]:
    """A customer as `account --json` gives it: the record's own parts, and what is known beside it."""
    record = {} if shown.account is None else plain(shown.account)
    return record | {
        "state": plain(shown.state),
        "sums": plain(shown.sums),
        "rules": plain(shown.rules),
        "open_requests": [request_json(one) for one in shown.open_requests],
        "cases": [case_json(case) for case in shown.cases],
    }


def show_account(customer_id: str, shown: AccountShown) -> None:
    """A customer with everything that is pertinent to its eligibility."""
    account, state = shown.account, shown.state
    if account is not None:
        show_customers(f"Customer {customer_id}", [account.summary])
    if state is not None:
        facts = {
            "state": state.state,
            "merge to": None if state.canonical_id == customer_id else state.canonical_id,
            "by": state.merged_by,
            "at": state.merged_at,
            "merge": state.merge_id,
            "accounts merged into it": state.merged_accounts,
            "open requests": state.open_requests,
            "rows of a merge still move": state.rows_moving or None,
        }
        show_table("Merge state", ("", ""), [(name, value) for name, value in facts.items() if value is not None])
    if account is not None:
        show_table("Record", ("field", "value"), account.values.items())
        show_table("What hangs on it", ("table", "rows"), account.rows.items())
    show_table(
        "Balances",
        ("table", "what", "amount"),
        [(table, column, amount) for table, figures in shown.sums.items() for column, amount in figures.items()],
    )
    show_table(
        "Eligibility, whoever it is merged with",
        ("rule", "", "as", "kind", "figures", "what to do"),
        [_rule_row(rule) for rule in shown.rules],
    )
    if account is not None:
        show_table(
            "Merged accounts",
            ("customer", "into", "when", "by", "merge", "reason"),
            [
                (merged.customer_id, merged.direct_to, merged.merged_at, merged.actor, merged.merge_id, merged.reason)
                for merged in account.merged_accounts
            ],
        )
    show_requests("Open requests", shown.open_requests)
    show_cases(shown.cases)


def _rule_row(rule: RuleStanding) -> tuple[object, ...]:
    verdict = {True: "passes", False: "fails", None: "depends on the other"}[rule.passed]
    figures = [f"{one.label}: {one.value}" if one.value else one.label for one in rule.figures]
    return (
        rule.rule,
        verdict,
        rule.at,
        f"{rule.severity.lower()}, {'permanent' if rule.permanent else 'temporary'}",
        figures,
        rule.remediation if rule.passed is False else None,
    )
