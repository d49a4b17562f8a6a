"""What services answer and publish, in words for a reader of a story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def outcome_words(outcome: Mapping[str, Any]) -> Iterator[str]:
    """How a command ended; `outcome` is a line of `merge-worker submit --wait`."""
    match outcome["type"]:
        case "MergeCompleted":
            done = _DONE[outcome["kind"]]
            moving = "; its rows are still moving" if outcome["rows"] == "MOVING" else ""
            yield f"✓ {done}{moving} (merge {outcome['merge_id']})"
            for warning in outcome["warnings"]:
                yield f"! {warning['rule']}: {warning['message']}"
        case "MergeRejected":
            yield f"✗ refused ({outcome['stage'].lower()}), nothing changed"
            yield from _failure_words(outcome["errors"])
        case "MergeNoop":
            yield f"✓ nothing to do ({outcome['reason']}): all of them are {outcome['canonical_id']} already"
        case other:
            yield f"{other}"


def preview_words(preview: Mapping[str, Any]) -> Iterator[str]:
    """What a command would do: verdict, rules, rows. `preview` is what `merge-worker preview --json` says."""
    losers = ", ".join(preview["loser_ids"])
    if preview["eligible"]:
        yield f"✓ would merge {losers} into {preview['winner_id']}; {len(preview['rules'])} rules asked, none refuses"
    else:
        yield f"✗ would be refused: {losers} into {preview['winner_id']}"
    yield from _failure_words(preview["failures"])
    for warning in preview["warnings"]:
        yield f"! {warning['rule']}: {warning['message']}"
    if preview["eligible"] and preview["disposition"] is not None:
        yield f"  the record of {losers} would be {_DISPOSITIONS[preview['disposition']]}"


def preview_rows(preview: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Table, rows that would move, rows that would collide."""
    return [(move["table"], move["rows"], move["collisions"]) for move in preview["moves"]]


def preview_fields(preview: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Field, value afterwards, whose, how that was decided, the values that differ; only where there is a choice."""
    shown: list[tuple[object, ...]] = []
    for field in preview["fields"]:
        alternatives = field["alternatives"]
        decision = field["decision"]
        others = [f"{who}: {value}" for who, value in alternatives.items() if value != field["value"]]
        if others or decision["from_customer_id"] not in {None, preview["winner_id"]}:
            shown.append(
                (
                    decision["field"],
                    field["value"],
                    decision["from_customer_id"],
                    decision["strategy"],
                    "; ".join(others),
                )
            )
    return shown


def preview_choices(preview: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """Table, id, customer and content of each row that may be chosen; a table without rows says so."""
    shown: list[tuple[object, ...]] = []
    for offered in preview["choices"]:
        if not offered["rows"]:
            shown.append((offered["table"], None, None, "(nothing to choose)"))
        for row in offered["rows"]:
            said = (str(value) for name, value in row["values"].items() if _says_something(name, value))
            shown.append((offered["table"], row["id"], row["customer_id"], ", ".join(said)))
    return shown


def _says_something(column: str, value: object) -> bool:
    return value is not None and not column.endswith(("_id", "_at", "_no"))


def event_words(kind: str, event: Mapping[str, Any]) -> Iterator[str]:
    """What other systems learn from an event of customer-merged."""
    yield f"{kind}, number {event['sequence']} of stream {event['stream']}"
    for redirect in event.get("redirects", ()):
        to = "itself again" if redirect["canonical"] == redirect["from"] else redirect["canonical"]
        yield f"  {redirect['from']} is {to} from now on (version {redirect['version']})"
    for loser in event.get("losers", ()):
        yield f"  the record of {loser['id']}: {_DISPOSITIONS[loser['disposition']]}"
    yield from _row_words(event)
    for field in event.get("field_decisions", ()):
        if field["from_customer_id"] not in {None, event["winner"]["id"]}:
            yield f"  {field['field']} was taken from {field['from_customer_id']} ({field['strategy']})"
    for consent in event.get("consent_decisions", ()):
        evidence = f", because of {consent['evidence']}" if consent["evidence"] else ""
        yield f"  consent to {consent['channel']}: {consent['result']}{evidence}"
    for conflict in event.get("conflicts", ()):
        yield f"  ! {conflict['table']} {conflict['id']} could not go back: {conflict['reason']}"
    for acknowledgement in event.get("required_acks", ()):
        yield f"  {acknowledgement['system']} must say that it has relinked"
    if event.get("undoable_until"):
        yield f"  it can be undone until {str(event['undoable_until'])[:10]}"


def _row_words(event: Mapping[str, Any]) -> Iterator[str]:
    if event.get("rows") == "MOVING":
        yield "  its rows are still moving; RowsMoved will tell of them"
    for moved in event.get("moved") or ():
        aside = f", {moved['collisions']} put aside" if moved["collisions"] else ""
        yield f"  {moved['table']}: {moved['rows']} moved{aside}"
    for returned in event.get("returned", ()):
        yield f"  {returned['table']}: {returned['rows']} went back"
    for kept in event.get("kept", ()):
        yield f"  {kept['table']}: {kept['rows']} stayed ({kept['reason']})"


_DONE = {"MERGE": "merged", "UNMERGE": "undone", "CONVERT": "converted", "NOT_DUPLICATE": "noted: not the same"}
_DISPOSITIONS = {
    "LINK": "kept, marked, and linked to the surviving customer",
    "INACTIVATE": "kept, and out of use",
    "DELETE": "deleted (the journal holds it until the undo window closes)",
}


def _failure_words(failures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for failure in failures:
        whose = ", ".join(failure["customer_ids"])
        yield (
            f"✗ {failure['rule']} ({whose}): {failure['message']}"
            if whose
            else f"✗ {failure['rule']}: {failure['message']}"
        )
        yield f"    → {failure['remediation']}"
