"""STORIS: what one sees of a merge on the customer, in the report, and from another program."""

import csv
import io

import pytest

from parity.storis_rows import company, customer, customers, order
from rig.processes import eventually
from rig.profile_world import LIMIT_S, TENANT, ProfileWorld


@pytest.mark.parity(system="STORIS", row="merged-away")
def test_a_customer_merged_away_is_inactive_and_never_a_target_again(storis: ProfileWorld) -> None:
    winner, gone, later = customers(storis, 3)
    storis.merged(winner, gone)
    assert storis.value("SELECT status FROM storis.customers WHERE customer_no = :n", n=gone) == "I"
    refused = storis.outcome(storis.merge(gone, later))
    (error,) = refused["errors"]
    assert (error["rule"], error["permanent"]) == ("WINNER_PREVIOUSLY_MERGED", True)
    assert str(winner) in error["remediation"]
    told = storis.desk("merge", str(gone), str(later), "--role", "merge")
    assert (told.status, "WINNER_PREVIOUSLY_MERGED" in told.out + told.err) == (1, True)


@pytest.mark.parity(system="STORIS", row="shown-on-customer")
def test_the_customer_shows_its_status_who_merged_it_and_into_whom(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    merge_id = storis.merged(winner, loser, requested_by={"id": "ann", "roles": ["merge"]})["merge_id"]
    account = storis.desk("account", str(loser), "--json").json
    assert (account["summary"]["status"], account["canonical"]["canonical_id"]) == ("I", str(winner))
    (merge,) = storis.worker("status", str(loser), "--json").json["merges"]
    assert (merge["merge_id"], merge["actor"], merge["winner_id"]) == (merge_id, "ann", str(winner))
    (merged,) = storis.desk("account", str(winner), "--json").json["merged_accounts"]
    assert (merged["customer_id"], merged["actor"], merged["merge_id"]) == (str(loser), "ann", merge_id)


@pytest.mark.parity(system="STORIS", row="report")
def test_the_status_report_tells_of_every_request_and_whether_it_is_eligible_now(storis: ProfileWorld) -> None:
    firm = company(storis, "report")
    (good, good_loser), (bad, bad_loser), (done, done_loser) = (customers(storis, 2, firm) for _ in range(3))
    order(storis, bad_loser, firm, status="OPEN")
    for winner, loser in ((good, good_loser), (bad, bad_loser)):
        storis.desk("recommend", str(winner), str(loser), "--tenant", firm, "--as", "clerk", "--role", "recommend")
    storis.worker("submit", "-", commands=[storis.merge(done, done_loser, tenant_id=firm, on_ineligible="WAIT")])

    def reported() -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(storis.desk("report", "--format", "csv", "--tenant", firm).out)))

    eventually(lambda: len(reported()) >= 2, LIMIT_S, every_s=0.2)
    rows = {row["losers"]: row for row in reported()}
    assert (rows[str(good_loser)]["eligible"], rows[str(good_loser)]["failing_rules"]) == ("yes", "")
    assert (rows[str(bad_loser)]["eligible"], rows[str(bad_loser)]["failing_rules"]) == ("no", "OPEN_SALES_ORDERS")
    assert {row["requested_by"] for row in rows.values()} >= {"clerk"}
    as_json = storis.desk("report", "--format", "json", "--tenant", firm).json
    assert {one["loser_ids"][0]: one["eligible"] for one in as_json}[str(bad_loser)] is False
    assert "OPEN_SALES_ORDERS" in storis.desk("report", "--tenant", firm).out


@pytest.mark.parity(system="STORIS", row="summary")
def test_before_merging_one_sees_the_account_with_all_that_bears_on_it(storis: ProfileWorld) -> None:
    number = customer(storis, standing="COLLECTIONS", price_level="TRADE")
    order(storis, number, status="OPEN")
    order(storis, number)
    storis.insert("storis.ar_entries", company=TENANT, customer_no=number, amount_cents=12_500)
    storis.insert("storis.ar_balances", company=TENANT, customer_no=number, balance_cents=12_500)
    account = storis.desk("account", str(number), "--json").json
    assert account["values"]["price_level"] == "TRADE"
    assert account["rows"]["storis.ar_entries"] == 1
    assert account["sums"] == {"storis.ar_balances": {"balance_cents": 12_500}}
    standing = {rule["rule"]: set(rule["at"]) for rule in account["rules"] if rule["passed"] is False}
    assert standing == {"OPEN_SALES_ORDERS": {"LOSER"}, "COLLECTIONS_OR_BAD_DEBT": {"LOSER", "WINNER"}}


@pytest.mark.parity(system="STORIS", row="look-up")
def test_other_programs_ask_for_the_merge_state_over_http_in_sql_and_on_the_command_line(storis: ProfileWorld) -> None:
    winner, loser = customers(storis, 2)
    waiting_winner, waiting = customers(storis, 2)
    storis.merged(winner, loser)
    order(storis, waiting, status="OPEN")
    storis.worker("submit", "-", commands=[storis.merge(waiting_winner, waiting, on_ineligible="WAIT")])

    status, headers, body = storis.get(f"/customers/{TENANT}/{loser}")
    assert (status, headers["Link"]) == (410, f'</customers/{TENANT}/{winner}>; rel="canonical"')
    assert (body["state"], body["canonical_id"], body["merged_by"]) == ("merged", str(winner), "ann")
    status, _, body = storis.get(f"/customers/{TENANT}/{winner}")
    assert (status, body["message"]) == (200, "this customer is current")
    status, _, body = eventually(
        lambda: answer if (answer := storis.get(f"/customers/{TENANT}/{waiting}"))[2].get("open_requests") else None,
        LIMIT_S,
    )
    assert (status, body["message"]) == (200, "a merge of this customer is in process")
    assert storis.get(f"/customers/{TENANT}/1")[0] == 404

    assert storis.value("SELECT merge.canonical_id(:tenant, :id)", tenant=TENANT, id=str(loser)) == str(winner)
    assert storis.worker("status", str(loser), "--json").json["customer"]["canonical_id"] == str(winner)
