"""Rule packs: rules that belong together, with what they look at and say. A plan binds them to its own tables."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from pydantic import Field, model_validator

from customer_identity.merging import Side
from customer_identity.merging.rules import Severity
from merge_engine.plan_file.parts import Part, RuleName

PackName = Literal["identity", "retail", "commerce", "ticketing"]
RoleName = Literal["recommend", "merge", "protected-data", "admin"]


class RuleTerms(Part):
    """What is said of a rule, in a pack as in a plan.

    `conversion`: it is asked before a customer's type is changed, too.
    """

    rule: RuleName
    side: Side
    severity: Severity = Severity.BLOCK
    permanent: bool = True
    waivable_by: RoleName | None = None
    cleared_by_reason: str | None = None
    field: str | None = None
    message: Annotated[str, Field(min_length=1)]
    remediation: Annotated[str, Field(min_length=1)]
    conversion: bool = False

    def require_waiver(self) -> None:
        """Raise ValueError unless exactly the rules that can be waived say by whom."""
        if (self.severity is Severity.WAIVABLE) != (self.waivable_by is not None):
            raise ValueError("severity WAIVABLE needs waivable_by, and only it takes one")


class PackRule(RuleTerms):
    """A rule of a pack. `provided` names who checks it without a word in the plan; all others a plan binds."""

    provided: Literal["the engine", "the worker"] | None = None

    @model_validator(mode="after")
    def _waiver(self) -> "PackRule":
        self.require_waiver()
        return self


class Pack(Part):
    """A pack, as it is written in YAML."""

    pack: PackName
    about: str
    rules: Annotated[tuple[PackRule, ...], Field(min_length=1)]


@cache
def packs() -> Mapping[str, Pack]:
    """All shipped packs by name, the identity pack first."""
    texts = ((name, (_DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")) for name in get_args(PackName))
    return {name: Pack.model_validate(yaml.safe_load(text)) for name, text in texts}


def pack_rule(name: object) -> PackRule | None:
    """The rule of that name in any pack; no name stands in two."""
    return _rules().get(name) if isinstance(name, str) else None


_DIRECTORY = Path(__file__).parent.parent / "packs"


@cache
def _rules() -> Mapping[str, PackRule]:
    return {rule.rule: rule for pack in packs().values() for rule in pack.rules}
