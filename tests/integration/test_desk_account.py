"""`review-desk account`: what somebody needs to know of one customer before a merge."""

import json
from typing import Any

from customer_identity.merging import Merged
from customer_identity.merging.orders import ActorRef, MergeOrder
from review_desk.__main__ import main
from rig.desk_shop import TENANT, Shop
from rig.in_process import run_here


def _account(shop: Shop, customer_id: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_ask(shop, "account", customer_id, "--json"))
    return told


def _ask(shop: Shop, *arguments: str) -> str:
    url = shop.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    answer = run_here(main, arguments, {"REVIEW_DESK_DATABASE__URL": url})
    assert answer.status == 0
    return answer.out


def _rules(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["rule"]: rule for rule in told["rules"]}


def _merge(shop: Shop, winner_id: str, loser_id: str) -> Merged:
    order = MergeOrder(
        tenant_id=TENANT,
        command_id=f"{winner_id}<-{loser_id}",
        winner_id=winner_id,
        loser_ids=(loser_id,),
        requested_by=ActorRef(id="ann", roles=("merge",)),
        reason="test",
    )
    with shop.engine.begin() as connection:
        (result,) = shop.merges.merge(connection, [order])
    assert isinstance(result, Merged)
    return result


def test_every_rule_is_told_as_it_stands_for_one_customer_with_the_figures_behind_it(shop: Shop) -> None:
    shop.customer("a", verified=False)
    shop.execute("UPDATE store.customers SET has_login = true, currency = 'EUR'")
    rules = _rules(_account(shop, "a"))
    assert (rules["LEGAL_HOLD"]["passed"], rules["LEGAL_HOLD"]["at"]) == (True, [])
    assert (rules["LOSER_HAS_LOGIN"]["passed"], rules["LOSER_HAS_LOGIN"]["at"]) == (False, ["LOSER"])
    assert (rules["WINNER_EMAIL_UNCONFIRMED"]["passed"], rules["WINNER_EMAIL_UNCONFIRMED"]["at"]) == (False, ["WINNER"])
    assert rules["CURRENCY_MISMATCH"]["passed"] is None  # it takes two
    assert [one["value"] for one in rules["CURRENCY_MISMATCH"]["figures"]] == ["EUR"]
    assert all(rule["message"] and rule["remediation"] for rule in rules.values())


def test_balances_and_rows_are_told(shop: Shop) -> None:
    shop.customer("a")
    shop.execute(
        "INSERT INTO store.loyalty_accounts (tenant_id, customer_id, program, points)"
        f" VALUES ('{TENANT}', 'a', 'x', 70)"
    )
    told = _account(shop, "a")
    assert told["sums"] == {"store.loyalty_accounts": {"points": 70}}
    assert told["rows"]["store.emails"] == 1


def test_a_merged_away_customer_says_into_whom_when_and_by_whom_and_the_winner_lists_it(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    merged = _merge(shop, "a", "b")
    told = _account(shop, "b")
    assert told["state"] | {"merged_at": None} == {
        "state": "merged",
        "canonical_id": "a",
        "merge_id": merged.merge_id,
        "merged_at": None,
        "merged_by": "ann",
        "merged_accounts": 0,
        "open_requests": 0,
        "rows_moving": False,
    }
    assert told["rules"] == []
    assert [one["customer_id"] for one in _account(shop, "a")["merged_accounts"]] == ["b"]


def test_open_requests_are_told_with_their_eligibility(shop: Shop) -> None:
    shop.customer("a")
    shop.customer("b")
    shop.execute(
        "INSERT INTO merge.requests (tenant_id, request_id, command_id, command_type, command, status, customer_ids,"
        " requested_by, next_attempt_at, created_at, updated_at) VALUES ('default', gen_random_uuid(), 'r1',"
        ' \'RecommendMerge\', \'{"tenant_id": "default", "command_id": "r1", "winner_id": "a",'
        ' "loser_ids": ["b"], "requested_by": {"id": "rob", "roles": ["recommend"]}, "reason": "same",'
        " \"issued_at\": \"2026-01-01T00:00:00Z\"}', 'recommended', ARRAY['a', 'b'], 'rob', now(), now(), now())"
    )
    told = _account(shop, "b")
    assert told["state"]["state"] == "merge_pending"
    assert [(one["winner_id"], one["eligible"], one["requested_by"]) for one in told["open_requests"]] == [
        ("a", True, "rob")
    ]
    shown = _ask(shop, "account", "b")
    for said in ("merge_pending", "Eligibility, whoever it is merged with", "LEGAL_HOLD", "Open requests"):
        assert said in shown
