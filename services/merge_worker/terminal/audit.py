"""`merge-worker audit` and `verify`: is the history whole, what did a merge change, is everything as it should be."""

from event_runtime.identifiers import uuid_of
from event_runtime.output import plain, say, show_facts, show_json, show_table
from merge_worker.adapters.histories import published_history, stored_heads, stored_history, stored_map
from merge_worker.app import App
from merge_worker.application.audit_streams import StreamAudit, map_differences, map_faults

# What is shown of a long list; the exit code and the total tell the rest.
_MOST_SHOWN = 100


def audit_verify(app: App, *, source: str, as_json: bool) -> int:
    """Check the history of `kafka` or `database` against itself and the identity map; 1 when something is wrong."""
    with app.reading() as connection:
        stored = stored_map(connection)
        # The outbox forgets what was published a while ago; the topic keeps everything.
        audit = StreamAudit(heads=stored_heads(connection), partial=source == "database")
        if source == "database":
            audit.read(stored_history(connection, app.wiring.codec))
    if source == "kafka":
        topic = app.settings.topic("customer-merged")
        audit.read(published_history(app.settings.kafka_properties(), topic, app.wiring.codec))
    problems = [*audit.problems, *map_faults(stored)]
    missing = audit.missing()
    if missing and source == "kafka":
        say(f"{missing} events of the database are not published (yet): the identity map is not compared")
    elif missing or not audit.whole:
        say("the outbox does not hold the whole history any more: the identity map is not compared")
    else:
        problems += map_differences(audit.identities, stored)
    summary = {
        "source": source,
        "streams": len(audit.ends),
        "events": audit.events,
        "ids": len(stored),
        "missing": missing,
        "compared": not missing and audit.whole,
        "problems": problems,
    }
    if as_json:
        show_json(summary)
    else:
        show_table("Problems of the history", ("problem",), [(problem,) for problem in problems[:_MOST_SHOWN]])
        say(f"{audit.events} events in {len(audit.ends)} streams, {len(stored)} ids, {len(problems)} problems")
    return 1 if problems or (missing and source == "kafka") else 0


def audit_show(app: App, merge_id: str, *, as_json: bool) -> int:
    """Print what a merge changed, values included; 1 when there is no such merge."""
    with app.reading() as connection:
        changes = app.merge_engine.merge_changes(connection, merge_id)
    if changes is None:
        say(f"there is no merge {merge_id}")
        return 1
    if as_json:
        document = plain(changes)
        show_json({**document.pop("merge"), **document})
        return 0
    merge = changes.merge
    facts = {
        "state": merge.state,
        "winner": merge.winner_id,
        "losers": merge.loser_ids,
        "by": merge.actor,
        "reason": merge.reason,
        "merged": merge.merged_at,
        "undoable until": merge.undoable_until,
    }
    show_facts(f"Merge {merge_id}", facts)
    show_table(
        f"Fields of {merge.winner_id} that were written",
        ("field", "before", "after"),
        [(one.field, one.before, one.after) for one in changes.winner],
    )
    for loser in changes.losers:
        shown = {name: value for name, value in (loser.record or {}).items() if value is not None}
        show_facts(f"{loser.customer_id} as it was", shown or {"the record": "erased, or the undo window has closed"})
    show_table(
        "Rows put aside",
        ("table", "customer", "row"),
        [(one.table, one.customer_id, row) for one in changes.put_aside for row in one.rows],
    )
    return 0


def verify(app: App, merge_id: str | None, *, as_json: bool) -> int:
    """Check that a merge, or all of them, left everything as it should be; 1 when something is wrong."""
    with app.reading() as connection:
        if merge_id is not None and (
            uuid_of(merge_id) is None or app.merge_engine.merge_record(connection, merge_id) is None
        ):
            say(f"there is no merge {merge_id}")
            return 1
        findings = list(app.merge_engine.verify(connection, merge_id))
    if as_json:
        show_json({"findings": findings})
    else:
        show_table(
            "Findings",
            ("kind", "tenant", "customer", "table", "detail"),
            [(one.kind, one.tenant_id, one.customer_id, one.table, one.detail) for one in findings[:_MOST_SHOWN]],
        )
        say(f"{len(findings)} findings")
    return 1 if findings else 0
