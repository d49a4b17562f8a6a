"""`merge-worker plan`: look at a merge plan, and hold it against the tables it is for."""

import sys
from pathlib import Path

import yaml

from event_runtime.output import say, show_json, show_table
from merge_engine import MergeEngine
from merge_engine.discovering import draft_plan
from merge_engine.live_schema import load_schema
from merge_engine.plan_file import load_plan
from merge_worker.app import App


def plan_show(app: App) -> int:
    """Print the plan as it is understood, in YAML."""
    plan = load_plan(app.settings.plan)
    fields = plan.model_dump(mode="json", exclude_unset=True)
    sys.stdout.write(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))
    return 0


def plan_discover(app: App, *, table: str | None, name: str | None, output: str | None) -> int:
    """Write the draft of a plan for the tables of the database: to a new file, or to standard output."""
    with app.reading() as connection:
        schema = load_schema(connection, without=MergeEngine.own_schemas)
    draft = draft_plan(schema, name=name, customer_table=table)
    if output is None:
        sys.stdout.write(draft)
        return 0
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(draft)
    except FileExistsError:
        say(f"{output} is there already; move it away, or give another --output")
        return 1
    except OSError as fault:
        say(f"{output} cannot be written: {fault.strerror}")
        return 1
    say(f"{output} written; read it, then: merge-worker plan check {output}")
    return 0


def plan_check(app: App, *, as_json: bool) -> int:
    """Print what of the plan does not fit the database; 1 when something does not."""
    with app.reading() as connection:
        faults = app.merge_engine.check(connection)
    if as_json:
        show_json({"plan": app.settings.plan, "faults": faults})
    else:
        show_table(f"Faults of the plan {app.settings.plan}", ("fault",), [(fault,) for fault in faults])
    return 1 if faults else 0


def plan_view(app: App, view: str) -> int:
    """Print the SQL of a view of canonical customers: each person once."""
    sys.stdout.write(app.merge_engine.canonical_view(view))
    return 0
