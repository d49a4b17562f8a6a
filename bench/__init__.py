"""The benchmarks. A figure counts only as a ratio to something measured in the same run on the same machine.

They run on the servers of the test rig, but with every promise of durability kept.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.json"
sys.path.insert(0, str(ROOT / "tests"))
