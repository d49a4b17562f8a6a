"""The matching model: a readable value (JSON) of probabilities, no code.

A pair of records either shows one person, or something else explains what agrees: chance, a household, a shared phone,
two people of one name. For each explanation the model says how many such pairs to expect per record, and how often each
level of each field occurs in them. (Fellegi and Sunter 1969, with several kinds of non-match.)
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any, Final

from customer_identity.comparison.fields import FIELDS
from customer_identity.faults import IdentityFault

FORMAT: Final = 1
_NAMES: Final = tuple(field.name for field in FIELDS)
_ROUNDING_LOW, _ROUNDING_HIGH = 0.98, 1.02  # what people's rounding may make of a sum of 1
_LONGEST_NAME: Final = 100  # of the version and of an explanation; events take 200
_LARGEST_CORRECTION: Final = 10.0  # nats; no field's weight is much larger than that
_LOWEST: Final = 1e-7  # no level is impossible; one freak pair must not weigh infinitely much


class ModelError(IdentityFault):
    """This is no matching model this version can use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A way for two records of DIFFERENT people to agree."""

    name: str
    pairs_per_record: float | None
    """Expected number of such pairs a record is part of; None: every other record (chance)."""
    levels: Mapping[str, tuple[float, ...]]
    """Level probabilities of the fields this explanation is about; all other fields agree only by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rarity:
    """How the frequency of an equal value counts: rare values say more."""

    free_holders: float
    """Other holders that do not make a value common (the person's own duplicates, the family)."""
    unseen: float
    """Holders a value is thought to have besides the pair at hand, when no other was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A complete model; `version` is named in every candidate scored with it."""

    version: str
    duplicates_per_record: float
    match: Mapping[str, tuple[float, ...]]
    chance: Mapping[str, tuple[float, ...]]
    explanations: tuple[Explanation, ...]
    rarity: Mapping[str, Rarity]
    certain: float
    probable: float
    possible: float
    corrections: Mapping[str, tuple[float, ...]] = dataclass_field(default_factory=dict)
    """Nats by level that people's decisions add to a field's weight; fields they say nothing of are left out."""
    certain_rejected: bool = False
    """People rejected more of what was certain than its precision allows: corrections then take certainty away, too."""

    def renamed(self, version: str) -> "Model":
        """The same model under another version."""
        return replace(self, version=version)


def parse_model(text: str) -> Model:
    """Reads a model.

    Raises:
        ModelError: not JSON, another format, or a field or level this version does not know; the message says which.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the model is not JSON: {error}") from error
    if not isinstance(data, dict) or "format" not in data:
        raise ModelError("the file is JSON, but no matching model: it has no 'format'")
    if data["format"] != FORMAT:
        raise ModelError(f"the model has format {data['format']!r}, this version reads format {FORMAT}: train it again")
    try:
        return _model(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"the model is incomplete or malformed: {type(error).__name__} {error}") from error


def format_model(model: Model) -> str:
    """The model as JSON that a person can read: one line a field, levels by position, lowest first."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": model.version,
        "grades": {"certain": model.certain, "probable": model.probable, "possible": model.possible},
        "duplicates_per_record": model.duplicates_per_record,
        "levels": {field.name: list(field.levels) for field in FIELDS},
        "match": _rounded(model.match),
        "chance": _rounded(model.chance),
        "explanations": [
            {"name": e.name, "pairs_per_record": e.pairs_per_record, "levels": _rounded(e.levels)}
            for e in model.explanations
        ],
        "rarity": {name: {"free_holders": r.free_holders, "unseen": r.unseen} for name, r in model.rarity.items()},
    }
    if model.corrections:
        data |= {"corrections": _rounded(model.corrections), "certain_rejected": model.certain_rejected}
    return _one_line_a_list(json.dumps(data, indent=1)) + "\n"


def _model(data: dict[str, Any]) -> Model:
    model = Model(
        version=str(data["version"]),
        duplicates_per_record=float(data["duplicates_per_record"]),
        match=_distributions(data["match"], complete=True),
        chance=_distributions(data["chance"], complete=True),
        explanations=tuple(
            Explanation(
                name=str(e["name"]),
                pairs_per_record=None if e["pairs_per_record"] is None else float(e["pairs_per_record"]),
                levels=_distributions(e["levels"], complete=False),
            )
            for e in data["explanations"]
        ),
        rarity={
            name: Rarity(free_holders=float(r["free_holders"]), unseen=float(r["unseen"]))
            for name, r in data["rarity"].items()
        },
        certain=float(data["grades"]["certain"]),
        probable=float(data["grades"]["probable"]),
        possible=float(data["grades"]["possible"]),
        corrections=_corrections(data.get("corrections", {})),
        certain_rejected=data.get("certain_rejected", False) is True,
    )
    for name in (model.version, *(e.name for e in model.explanations)):  # candidates carry them
        if not name.isprintable() or not 1 <= len(name) <= _LONGEST_NAME:
            raise ValueError(f"a name has 1 to {_LONGEST_NAME} letters, not {len(name)} or others")
    unknown = set(model.rarity) - set(_NAMES)
    if unknown or not 0 <= model.possible <= model.probable <= model.certain <= 1 or model.duplicates_per_record <= 0:
        raise ValueError(f"unknown fields {sorted(unknown)}, or grades out of order")
    return model


def _corrections(data: Mapping[str, list[float]]) -> dict[str, tuple[float, ...]]:
    widths = {field.name: len(field.levels) for field in FIELDS}
    out = {name: tuple(float(nats) for nats in values) for name, values in data.items()}
    for name, values in out.items():
        if len(values) != widths.get(name):
            raise ValueError(f"corrections of {name!r}: an unknown field, or not a number for each of its levels")
        if not all(math.isfinite(nats) and abs(nats) <= _LARGEST_CORRECTION for nats in values):
            raise ValueError(f"corrections of {name!r} are beyond {_LARGEST_CORRECTION:g} nats")
    return out


def _distributions(data: Mapping[str, list[float]], *, complete: bool) -> dict[str, tuple[float, ...]]:
    unknown = set(data) - set(_NAMES)
    if unknown or (complete and set(data) != set(_NAMES)):
        raise ValueError(f"fields {sorted(unknown or set(_NAMES) - set(data))} are unknown or absent")
    out: dict[str, tuple[float, ...]] = {}
    for field in FIELDS:
        if field.name in data:
            values = [max(float(p), _LOWEST) for p in data[field.name]]
            if len(values) != len(field.levels):
                raise ValueError(f"{field.name} has {len(values)} levels, not {len(field.levels)}")
            total = sum(values)
            if not _ROUNDING_LOW < total < _ROUNDING_HIGH:
                raise ValueError(f"the levels of {field.name} add up to {total:.3g}, not to 1")
            out[field.name] = tuple(values)
    return out


def _rounded(distributions: Mapping[str, tuple[float, ...]]) -> dict[str, list[float]]:
    return {name: [float(f"{p:.3g}") for p in values] for name, values in distributions.items()}


def _one_line_a_list(text: str) -> str:
    """Joins the lines of innermost lists: a level distribution is read as one row."""
    out: list[str] = []
    for line in text.splitlines():
        if out and out[-1].endswith("[") and not line.strip().startswith("{"):
            out[-1] += line.strip()
        elif out and out[-1].endswith(",") and "[" in out[-1] and "]" not in out[-1]:
            out[-1] += " " + line.strip()
        elif out and "[" in out[-1] and "]" not in out[-1] and line.strip().startswith("]"):
            out[-1] += line.strip()
        else:
            out.append(line)
    return "\n".join(out)
