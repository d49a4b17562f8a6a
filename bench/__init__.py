"""The benchmarks. A figure counts only as a ratio to something measured in the same run on the same machine.

They run on the servers of the test rig, but with every promise of durability kept.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"
sys.path.insert(0, str(ROOT / "tests"))


def producer_settings(bootstrap: str) -> dict[str, str | int]:
    """Of a load that is sent as fast as the broker takes it, and may wait in memory as a whole."""
    return {
        "bootstrap.servers": bootstrap,
        "partitioner": "murmur2_random",
        "linger.ms": 5,
        "queue.buffering.max.messages": 10_000_000,
        "queue.buffering.max.kbytes": 2_000_000,
    }
