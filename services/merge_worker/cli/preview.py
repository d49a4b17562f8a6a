"""`merge-worker preview`: what each merge command would do now; nothing is written."""

from collections.abc import Sequence

import customer_events as wire
from event_runtime.output import say, show_facts, show_json, show_table
from merge_engine import Preview
from merge_worker.adapters.merge_orders import merge_order
from merge_worker.app import App
from merge_worker.cli.send import read_commands


def preview(app: App, source: str, *, tenant_id: str | None, as_json: bool) -> int:
    """Print the preview of each command; 1 when a line is bad or a command would be refused."""
    good, bad = read_commands(source, tenant_id)
    if bad:
        return 1
    shown: list[tuple[str, Preview]] = []
    with app.reading() as connection:
        for line in good:
            command = line.command
            if not isinstance(command, wire.MergeCustomers | wire.RecommendMerge):
                say(f"line {line.number}: only merges can be previewed, not {type(command).__name__}")
                return 1
            shown.append((command.command_id, app.merge_engine.preview(connection, merge_order(command))))
    if as_json:
        show_json([{"command_id": command_id, "preview": one} for command_id, one in shown])
    else:
        _show(shown)
    return 0 if all(one.eligible or one.noop is not None for _, one in shown) else 1


def _show(shown: Sequence[tuple[str, Preview]]) -> None:
    for command_id, one in shown:
        verdict = "would merge" if one.eligible else "would be refused"
        if one.noop is not None:
            verdict = f"nothing to do: {one.noop.reason.value}, all are {one.noop.canonical_id}"
        facts = {
            "verdict": verdict,
            "winner": one.winner_id,
            "losers": one.loser_ids,
            "rules passed": len(one.passed),
        }
        show_facts(f"Command {command_id}", facts)
        failed = [("refuses", failure) for failure in one.failures] + [("warns", failure) for failure in one.warnings]
        if failed:
            show_table(
                "Rules",
                ("", "rule", "customers", "message", "remedy"),
                [(what, rule.rule, rule.customer_ids, rule.message, rule.remediation) for what, rule in failed],
            )
        if one.moves:
            show_table(
                "Rows",
                ("table", "would move", "would collide"),
                [(move.table, move.rows, move.collisions) for move in one.moves],
            )
        if one.fields:
            show_table(
                "Fields",
                ("field", "strategy", "from", "value", "alternatives"),
                [
                    (
                        field.decision.field,
                        field.decision.strategy,
                        field.decision.from_customer_id,
                        field.value,
                        [f"{customer}: {value}" for customer, value in field.alternatives.items()],
                    )
                    for field in one.fields
                ],
            )
