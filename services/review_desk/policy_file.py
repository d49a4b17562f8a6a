"""The approval policy file: read, checked, and turned into the value that decisions are made with."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from customer_identity.approval import ApprovalPolicy, Grade, IdentifierKind
from event_runtime.faults import Fault

DEFAULT_POLICY = "default"

# A policy is a page of text; more is a mistake in the path.
_MAXIMUM_BYTES = 100_000


class PolicyError(Fault):
    """The approval policy cannot be used."""


def load_policy(name_or_path: str) -> ApprovalPolicy:
    """A shipped policy by its name, or a policy file by its path.

    Raises:
        PolicyError: there is none, or something in it is wrong; the message is one line that names the place.
    """
    return parse_policy(_text(name_or_path), name_or_path)


def parse_policy(content: str, place: str) -> ApprovalPolicy:
    """The policy that a YAML text describes; `place` is how errors name it. Raises PolicyError."""
    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise PolicyError(
            f"policy {place}{line}: not YAML: {getattr(fault, 'problem', None) or 'unreadable'}"
        ) from None
    if not isinstance(document, dict):
        raise PolicyError(f"policy {place}: expected a mapping with version, name and automatic_approval")
    try:
        return _PolicyFile.model_validate(document).policy()
    except ValidationError as fault:
        raise PolicyError(f"policy {place}: {'; '.join(_explained(fault))}") from None


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _IndependentEvidence(_Section):
    minimum_fields: Annotated[int, Field(ge=1, le=10)] = 1
    minimum_weight: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0


class _AutomaticApproval(_Section):
    paused: bool = False
    grades: list[Literal["CERTAIN", "PROBABLE", "POSSIBLE"]] = ["CERTAIN"]
    trusted_sources: list[Annotated[str, Field(min_length=1, max_length=200)]] = []
    identifiers: list[Literal["email", "phone", "national_id"]] = ["email", "phone", "national_id"]
    independent_evidence: _IndependentEvidence = _IndependentEvidence()
    maximum_members: Annotated[int, Field(ge=2, le=10_000)] = 12


class _PolicyFile(_Section):
    version: Literal[1]
    name: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._-]+$")]
    automatic_approval: _AutomaticApproval = _AutomaticApproval()

    def policy(self) -> ApprovalPolicy:
        automatic = self.automatic_approval
        return ApprovalPolicy(
            name=self.name,
            paused=automatic.paused,
            grades=frozenset(map(Grade, automatic.grades)),
            trusted_sources=frozenset(automatic.trusted_sources),
            identifiers=frozenset(map(IdentifierKind, automatic.identifiers)),
            minimum_evidence_families=automatic.independent_evidence.minimum_fields,
            minimum_evidence_weight=automatic.independent_evidence.minimum_weight,
            maximum_members=automatic.maximum_members,
        )


def _text(name_or_path: str) -> str:
    shipped = resources.files("review_desk") / "policies" / f"{name_or_path}.yaml"
    if "/" not in name_or_path and shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    path = Path(name_or_path)
    try:
        if path.stat().st_size > _MAXIMUM_BYTES:
            raise PolicyError(f"policy {name_or_path}: larger than {_MAXIMUM_BYTES:,} bytes, so no policy")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PolicyError(f"policy {name_or_path}: not UTF-8") from None
    except OSError as fault:
        raise PolicyError(f"policy {name_or_path}: {fault.strerror}; shipped: {', '.join(_shipped())}") from None


def _shipped() -> list[str]:
    directory = resources.files("review_desk") / "policies"
    return sorted(entry.name.removesuffix(".yaml") for entry in directory.iterdir() if entry.name.endswith(".yaml"))


def _explained(fault: ValidationError) -> list[str]:
    return [f"{'.'.join(map(str, error['loc']))}: {_reason(error['type'], error)}" for error in fault.errors()]


def _reason(kind: str, error: Any) -> str:
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "is missing"
    message = str(error["msg"])
    return message[:1].lower() + message[1:]
