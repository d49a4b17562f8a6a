"""`review-desk policy check`: needs a policy file and nothing else."""

import sys

from customer_identity.approval import Grade
from event_runtime.output import show_json
from review_desk.policy_file import load_policy


def check_policy(path: str, *, as_json: bool) -> int:
    """Say that a policy file is good, and what it means; a wrong one is a fault with one line."""
    policy = load_policy(path)
    if as_json:
        show_json(policy)
        return 0
    grades = ", ".join(grade.value for grade in Grade if grade in policy.grades) or "none"
    trusted = ", ".join(sorted(policy.trusted_sources)) or "none"
    sys.stdout.write(f"{path}: policy {policy.name} is valid; automatic: {grades}; trusted sources: {trusted}\n")
    return 0
