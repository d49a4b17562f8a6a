"""Write the documents made from the contract into the source tree, or check that they are current."""

import argparse
import sys
from pathlib import Path

from customer_events.documents.asyncapi import asyncapi
from customer_events.documents.events_page import events_page

_SOURCE_TREE = Path(__file__).parents[3]


def main(argv: list[str] | None = None) -> int:
    """0 done, or all current; 1 some are not."""
    parser = argparse.ArgumentParser(prog="python -m customer_events.documents", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a document is not current")
    parser.add_argument("--into", type=Path, default=_SOURCE_TREE, help="the source tree")
    options = parser.parse_args(argv)
    documents = {options.into / "docs/events.md": events_page(), options.into / "schemas/asyncapi.yaml": asyncapi()}
    stale = [path for path, text in documents.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in stale:
        if options.check:
            print(f"{path} is not current: run `make docs`", file=sys.stderr)
        else:
            path.write_text(documents[path], "utf-8")
            print(path)
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
