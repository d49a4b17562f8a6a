"""Explain what is known of two customers."""

from dataclasses import dataclass

from sqlalchemy import Connection

from customer_identity.matching.evidence import BIT, FieldEvidence, blocks, evidence_of, sentence
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
    """The score of a pair and everything it comes from."""

    customer_ids: tuple[str, str]
    score: float
    grade: str
    model_version: str
    evidence: tuple[FieldEvidence, ...]
    rest: float
    """Bits beside the fields' own: people are rarely there twice, and agreement often has another explanation."""
    blocked_because: tuple[str, ...]
    sentence: str

    def as_text(self) -> str:
        """A sentence, then one line a field."""
        width = max([len(e.field) for e in self.evidence] + [5])
        lines = [f"  {'field':<{width}}     bits"]
        lines += [f"  {e.field:<{width}}  {e.weight:+7.2f}  {e.level}" for e in self.evidence]
        lines += [f"  {'rest':<{width}}  {self.rest:+7.2f}  duplicates are rare, and agreement has other explanations"]
        held = [f"  not merged without a person: {', '.join(self.blocked_because)}"] if self.blocked_because else []
        return "\n".join([self.sentence, *lines, *held, f"  model {self.model_version}"])


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
        return Explanation(
            customer_ids=(one, other),
            score=round(float(matches.score[row]), 6),
            grade=Grade(int(matches.grade[row])).label,
            model_version=model.version,
            evidence=tuple(evidence_of(matches, row)),
            rest=round(float(matches.scores.rest[row]) / BIT, 4),
            blocked_because=tuple(blocks(matches, row)),
            sentence=sentence(matches, row, [e.name for e in model.explanations]),
        )
