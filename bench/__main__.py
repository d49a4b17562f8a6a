"""`python -m bench [NAME …] [--quick]`: measure and print one JSON object a benchmark; the last line is the last."""

import argparse
import importlib
import json
import sys

from bench import RESULTS
from bench.figures import Figure, table

NAMES = (
    "merge", "merge-latency", "replay", "large", "relay", "detect", "match", "backfill", "growth", "skew", "memory",
    "start",
)  # fmt: skip


def main() -> int:
    """Run the named benchmarks, or all; a figure that misses its goal is reported, and fails nothing."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which to run (default: all): {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="smaller data and fewer runs: to see that it works")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)} (there are: {', '.join(NAMES)})")
    figures: list[Figure] = []
    for name in arguments.names or NAMES:
        figures.append(importlib.import_module(f"bench.{name.replace('-', '_')}").measure(quick=arguments.quick))
        print(json.dumps(figures[-1].as_json()), flush=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    known.update({figure.name: figure.as_json() for figure in figures})
    RESULTS.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    print(table(figures), file=sys.stderr)
    print(json.dumps(figures[-1].as_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
