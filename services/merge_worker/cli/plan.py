"""`merge-worker plan`: look at a merge plan, and hold it against the tables it is for."""

import sys

import yaml

from event_runtime.output import show_json, show_table
from merge_engine.plan_file import load_plan
from merge_worker.app import App


def plan_show(app: App) -> int:
    """Print the plan as it is understood, in YAML."""
    plan = load_plan(app.settings.plan)
    fields = plan.model_dump(mode="json", exclude_unset=True)
    sys.stdout.write(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))
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
