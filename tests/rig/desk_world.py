"""A desk beside a merge worker, on a real Kafka and a real database, and asked on its command line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import customer_events as wire
from review_desk.__main__ import main
from rig import merge_world
from rig.in_process import Answer, run_here
from rig.invariants import told
from rig.processes import Program, service_env

PACKAGES = (*merge_world.PACKAGES, "review_desk")
PARTITIONS = {**merge_world.PARTITIONS, "merge-candidate": 3}
TENANT = "default"
EMAIL = "planted.person@example.com"
NAME = "Planted Personname"

TRUSTING = """
version: 1
name: trusting
automatic_approval: {trusted_sources: [shop]}
"""


class DeskWorld(merge_world.MergeWorld):
    """A worker's world with a desk in it."""

    policy: Path | str = "default"

    def desk_env(self) -> dict[str, str]:
        """The desk's environment."""
        return service_env(
            "REVIEW_DESK",
            database=self.database_url,
            bootstrap=self.bootstrap,
            topic_prefix=self.prefix,
            POLICY=str(self.policy),
            RELINK_SYSTEMS='["crm", "helpdesk"]',
            KAFKA__SESSION_TIMEOUT_MS="3000",  # a killed desk is missed soon, and so is its relay
            KAFKA__HEARTBEAT_INTERVAL_MS="500",
            RELAY__LEASE_S="2",
        )

    def desk(self, *, failpoints: str = "") -> Program:
        """Start `review-desk run`."""
        return self.spawn(["review-desk", "run"], {**self.desk_env(), "FAILPOINTS": failpoints})

    def ask(self, *arguments: str, status: int = 0) -> Answer:
        """Run a command of the desk to its end."""
        answer = run_here(main, arguments, self.desk_env())
        assert answer.status == status, answer.err
        return answer

    def cases(self, *arguments: str) -> list[dict[str, object]]:
        """The cases that `list` shows, of every state."""
        found: list[dict[str, object]] = json.loads(self.ask("list", "--json", "--state", "all", *arguments).out)
        return found

    def states(self) -> list[str]:
        """The states of all cases."""
        return sorted(row.state for row in self.sql("SELECT state FROM review.cases"))

    def person(self, *customer_ids: str, source: str = "shop") -> None:
        """Insert records of one person."""
        for customer_id in customer_ids:
            values = {"tenant": TENANT, "id": customer_id, "source": source, "name": NAME, "email": EMAIL}
            self.sql(
                "INSERT INTO store.customers (tenant_id, customer_id, source, full_name, family_name)"
                " VALUES (:tenant, :id, :source, :name, 'Personname')",
                **values,
            )
            self.sql(
                "INSERT INTO store.emails (tenant_id, customer_id, email, email_key, is_primary)"
                " VALUES (:tenant, :id, :email, :email, true)",
                **values,
            )

    def find(self, *pairs: tuple[str, str]) -> None:
        """Publish a sure candidate for each pair."""
        found = [
            wire.MergeCandidateFound(
                tenant_id=TENANT,
                candidate_id=f"{a}+{b}",
                revision=1,
                members=(wire.Member(customer_id=a, version=1), wire.Member(customer_id=b, version=1)),
                pair=wire.CandidatePair(a=a, b=b),
                score=0.999,
                grade=wire.Grade.CERTAIN,
                evidence=(
                    wire.Evidence(field="email", level="exact", weight=12.0),
                    wire.Evidence(field="family_name", level="exact", weight=8.0),
                    wire.Evidence(field="city", level="different", weight=-2.0),
                ),
                model_version="m1",
                safe_to_automate=True,
                detected_at=datetime.now(UTC),
            )
            for a, b in pairs
        ]
        self.produce(*found, topic="merge-candidate")

    def commands(self) -> list[wire.MergeCustomers | wire.MarkNotDuplicate | wire.RecommendMerge | wire.RemoveMerge]:
        """What the desk has published."""
        return [one.event for one in told(self.bootstrap, self.prefix + "merge-command")]
