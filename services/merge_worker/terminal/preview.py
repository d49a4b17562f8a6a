"""`merge-worker preview`: what each merge command would do now; nothing is written."""

from collections.abc import Sequence

import customer_events as wire
from customer_identity.merging import Disposition
from event_runtime.output import say, show_facts, show_json, show_table
from merge_engine import Preview, RuleFigure
from merge_worker.adapters.merge_orders import merge_order
from merge_worker.app import App
from merge_worker.terminal.send import read_commands

_RECORDS = {
    Disposition.LINK: "are kept, and point at the winner",
    Disposition.INACTIVATE: "are kept, marked inactive",
    Disposition.DELETE: "are deleted",
}


def preview(app: App, source: str, *, tenant_id: str | None, as_json: bool) -> int:
    """Print the preview of each command; 1 when a line is bad or a command would be refused."""
    good, bad = read_commands(source, tenant_id)
    if bad:
        return 1
    systems = app.settings.relink.systems
    shown: list[tuple[str, Preview]] = []
    with app.reading() as connection:
        for line in good:
            command = line.command
            if not isinstance(command, wire.MergeCustomers | wire.RecommendMerge):
                say(f"line {line.number}: only merges can be previewed, not {type(command).__name__}")
                return 1
            shown.append((command.command_id, app.merge_engine.preview(connection, merge_order(command))))
    if as_json:
        show_json(
            [{"command_id": command_id, "preview": one, "downstream_systems": systems} for command_id, one in shown]
        )
    else:
        _show(shown, systems)
    return 0 if all(one.eligible or one.noop is not None for _, one in shown) else 1


def _show(shown: Sequence[tuple[str, Preview]], systems: Sequence[str]) -> None:
    for command_id, one in shown:
        verdict = "would merge" if one.eligible else "would be refused"
        if one.noop is not None:
            verdict = f"nothing to do: {one.noop.reason.value}, all are {one.noop.canonical_id}"
        facts = {
            "verdict": verdict,
            "winner": one.winner_id,
            "losers": one.loser_ids,
            "their records": "" if one.disposition is None else _RECORDS[one.disposition],
            "systems that must follow": systems if one.eligible else (),
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
        if one.rules:
            show_table(
                "The figures behind every rule",
                ("rule", "looks at", "", "figures"),
                [
                    (check.rule, check.side.value, "passed" if check.passed else "failed", _figures(check.figures))
                    for check in one.rules
                ],
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
        if one.choices:
            lines = [line for offered in one.choices for line in offered.lines()]
            show_table("Rows to choose among", ("table", "id", "customer", "row"), lines)


def _figures(figures: Sequence[RuleFigure]) -> list[str]:
    return [f"{'' if one.customer_id is None else f'{one.customer_id}: '}{one.label}: {one.value}" for one in figures]
