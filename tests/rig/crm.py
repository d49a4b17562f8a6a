"""A database whose customer ids tell the type, with foreign keys of every kind, and the merge engine on it."""

from pathlib import Path

from sqlalchemy import Engine, text

from customer_identity.merging import ActorRef, Merged, MergeOrder, UnmergeOrder, UnmergeResult
from customer_identity.merging.conversion import ConversionOrder, ConversionRefused, ConversionResult, PartyType
from merge_engine import MergeEngine
from merge_engine.plan_file.packs import packs

ANN = ActorRef(id="ann", roles=("merge",))

# Nothing is deferrable and nothing cascades: the hardest case for a key that changes.
SCHEMA = """
CREATE SCHEMA crm;
CREATE TABLE crm.people (
    company text NOT NULL, id text NOT NULL, kind text NOT NULL, rev integer NOT NULL DEFAULT 1, name text,
    email text, birth_date date, merged_into text, billed_to text,
    PRIMARY KEY (company, id),
    UNIQUE (company, email),
    FOREIGN KEY (company, merged_into) REFERENCES crm.people (company, id),
    FOREIGN KEY (company, billed_to) REFERENCES crm.people (company, id) ON UPDATE RESTRICT);
CREATE TABLE crm.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, company text NOT NULL, person_id text NOT NULL,
    FOREIGN KEY (company, person_id) REFERENCES crm.people (company, id) ON DELETE CASCADE);
CREATE TABLE crm.relationships (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, company text NOT NULL, org_id text NOT NULL,
    person_id text NOT NULL, kind text NOT NULL,
    FOREIGN KEY (company, org_id) REFERENCES crm.people (company, id),
    FOREIGN KEY (company, person_id) REFERENCES crm.people (company, id));
CREATE TABLE crm.notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, company text NOT NULL, owner_kind text NOT NULL,
    owner_id text NOT NULL)
"""

PLAN = """
name: crm
revision: 1
customer:
  table: crm.people
  key: {column: id, type: text}
  tenant: {column: company, type: text}
  type: {column: kind, individual: IND, organisation: ORG}
  version: rev
CONVERSION
disposition: {kind: link, column: merged_into}
fields: {name: WINNER_THEN_FILL, email: WINNER_STRICT, birth_date: WINNER_THEN_FILL}
children:
  - {table: crm.people, customer: billed_to, move: repoint, row_id: id}
  - {table: crm.orders, customer: person_id, move: repoint}
  - {table: crm.relationships, customer: org_id, move: repoint}
  - {table: crm.relationships, customer: person_id, move: repoint}
  - {table: crm.notes, customer: owner_id, move: repoint, where: {owner_kind: person}}
RULES
"""

WITH_NEW_IDS = """
conversion:
  id_prefix: {individual: "I-", organisation: "O-"}
  clear: [email, birth_date]
  keep_contact:
    {table: crm.relationships, customer: org_id, contact: person_id, role: {column: kind, value: PRIMARY}}
"""


class Crm:
    """A database whose ids tell the type, and the engine on it; makes its tables."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory
        with engine.begin() as connection:
            connection.exec_driver_sql(SCHEMA)
        self.merges = self.load(WITH_NEW_IDS)

    def load(self, conversion: str, *, rules: str = "", fields: str = "") -> MergeEngine:
        """The engine on the plan with this conversion; `rules` are bound, `fields` decided otherwise than in PLAN."""
        path = self.directory / "crm.yaml"
        plan = PLAN.replace("email: WINNER_STRICT", fields or "email: WINNER_STRICT")
        path.write_text(plan.replace("CONVERSION", conversion).replace("RULES", rules + _not_applicable(rules)))
        return MergeEngine.load(path)

    def execute(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        with self.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    def person(self, id_: str, kind: str = "IND", *, company: str = "acme") -> None:
        self.execute(
            "INSERT INTO crm.people (company, id, kind, name, email, birth_date)"
            " VALUES (:company, :id, :kind, 'Name', :email, '1980-01-02')",
            company=company,
            id=id_,
            kind=kind,
            email=f"{id_}@example.com",
        )

    def convert(self, id_: str, to_type: PartyType = PartyType.ORGANISATION, **more: object) -> ConversionResult:
        order = ConversionOrder(
            tenant_id="acme",
            command_id=f"convert-{id_}",
            customer_id=id_,
            to_type=to_type,
            reason="a shop after all",
            **({"contact_id": None, "requested_by": ANN} | more),  # type: ignore[arg-type]  # tests name the fields
        )
        with self.engine.begin() as connection:
            return self.merges.convert(connection, order)

    def merge(self, winner_id: str, *loser_ids: str) -> Merged:
        order = MergeOrder(
            tenant_id="acme",
            command_id=f"merge-{winner_id}-{'-'.join(loser_ids)}",
            winner_id=winner_id,
            loser_ids=loser_ids,
            requested_by=ANN,
            reason="test",
        )
        with self.engine.begin() as connection:
            (result,) = self.merges.merge(connection, [order])
        assert isinstance(result, Merged), result
        return result

    def unmerge(self, merge_id: str) -> UnmergeResult:
        order = UnmergeOrder(
            tenant_id="acme", command_id=f"undo-{merge_id}", merge_id=merge_id, requested_by=ANN, reason="test"
        )
        with self.engine.begin() as connection:
            return self.merges.unmerge(connection, order)

    def rules(self, result: ConversionResult) -> list[str]:
        assert isinstance(result, ConversionRefused)
        assert all(error.message and error.remediation for error in result.errors)
        return [error.rule for error in result.errors]

    def map(self) -> dict[object, tuple[object, ...]]:
        rows = self.execute("SELECT customer_id, canonical_id, direct_to, version FROM merge.canonical")
        return {row[0]: row[1:] for row in rows}

    def findings(self) -> list[object]:
        with self.engine.connect() as connection:
            return list(self.merges.verify(connection))


def _not_applicable(bound: str) -> str:
    """The rules that a plan has to speak about and does not bind, with the reason why it has none of them."""
    names = [rule.rule for rule in packs()["identity"].rules if rule.provided is None and rule.rule not in bound]
    return "not_applicable: {" + ", ".join(f"{name}: a test" for name in names) + "}"
