"""`dedupe-detector explain`: a sentence, then the weight of each field, or the same as a picture."""

import sys
from pathlib import Path

from customer_identity.explanation import WEIGHT_COLUMNS, WEIGHTS_TITLE, picture, weight_rows
from dedupe_detector.app import App
from event_runtime.files import writing
from event_runtime.output import cell, say, show_json_lines, show_table


def explain(app: App, one: str, other: str, *, tenant_id: str | None, svg: Path | None, as_json: bool) -> None:
    """Print why two customers look like one person, or do not; with `svg`, draw it there, too."""
    with app.database.connect() as connection:
        found = app.explain.explain(connection, tenant_id or app.settings.tenant, one, other)
    if svg is not None:
        with writing(svg) as out:
            out.write(picture(found.finding, standalone=True))
        say(f"drawn in {svg}")
    if as_json:
        show_json_lines([found])
    else:
        sys.stdout.write(f"{cell(found.sentence)}\n\n")
        show_table(WEIGHTS_TITLE, WEIGHT_COLUMNS, weight_rows(found.finding))
        sys.stdout.write(f"\nscore {found.score:.4g}, {found.grade}, by model {found.model_version}\n")
