"""Explain what is known of two customers."""

from dataclasses import dataclass

from sqlalchemy import Connection

from customer_identity.explanation import Finding, sentence
from customer_identity.matching.evidence import FieldEvidence, blocks, evidence_of
from customer_identity.matching.grades import Grade
from customer_identity.matching.matcher import Matcher
from customer_identity.matching.model import Model
from dedupe_detector.adapters.postgres_index import PostgresIndex
from dedupe_detector.application.look_up import look_up
from dedupe_detector.application.scoring_models import ScoringModels
from event_runtime.faults import Fault


class UnknownCustomer(Fault):
    """The detector has no record of a customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The score of a pair and everything it comes from; the weights of the evidence, in bits, add up to it."""

    customer_ids: tuple[str, str]
    sentence: str
    score: float
    grade: str
    evidence: tuple[FieldEvidence, ...]
    blocked_because: tuple[str, ...]
    model_version: str

    @property
    def finding(self) -> Finding:
        """What a picture is made of."""
        return Finding(score=self.score, grade=self.grade, evidence=self.evidence, blocked_because=self.blocked_because)


class ExplainPair:
    """Scores one pair afresh from the index."""

    def __init__(self, model: Model) -> None:
        """With the model of tenants that have no fit of their own yet."""
        self._models = ScoringModels(model)

    def explain(self, connection: Connection, tenant_id: str, one: str, other: str) -> Explanation:
        """Raises UnknownCustomer when either is not in the index (never seen, or erased)."""
        index = PostgresIndex(connection)
        found = {entry.customer_id: entry for entry in index.entries_of([(tenant_id, one), (tenant_id, other)])}
        for customer_id in (one, other):
            if customer_id not in found:
                raise UnknownCustomer(f"customer {customer_id} of tenant {tenant_id}: never seen, or erased")
        if one == other:
            raise UnknownCustomer("name two different customers")
        model = self._models.of(connection, [tenant_id])[tenant_id]
        earlier, later = sorted((found[one], found[other]), key=lambda entry: entry.number)
        matches = look_up(connection, Matcher(model, index), [later], [(later.number, earlier.number)])
        row = [entry.number for entry in matches.right].index(earlier.number)
        evidence = tuple(evidence_of(matches, row, model))
        finding = Finding(
            score=float(matches.score[row]),
            grade=Grade(int(matches.grade[row])).label,
            evidence=evidence,
            blocked_because=blocks(matches, row),
        )
        return Explanation(
            customer_ids=(one, other),
            sentence=sentence(finding),
            score=finding.score,
            grade=finding.grade,
            evidence=evidence,
            blocked_because=tuple(finding.blocked_because),
            model_version=model.version,
        )
