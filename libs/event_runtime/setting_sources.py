"""Reads variables with a service's prefix into the shape of its settings, and says of each where it came from."""

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, get_args

from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr, ValidationError

from event_runtime.faults import SettingError

_NEST = "__"
_FILE = "_FILE"
# Settings whose keys are free: names below them are not listed anywhere.
_FREE = ("kafka", "topics")
_LONGEST_SHOWN_VALUE = 60
# Kubernetes puts these into every container of a namespace that has a Service named like ours.
_SERVICE_LINK = re.compile(r"SERVICE_HOST|SERVICE_PORT(_.*)?|PORT|PORT_\d+_(TCP|UDP|SCTP)(_.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value was read: the variable's name, and the kind of place."""

    variable: str
    text: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsReader:
    """The nested values found, and the origin of each by its dotted path."""

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    origins: dict[str, Origin] = field(default_factory=dict)
    refusal: Callable[[str, str], str | None]

    @classmethod
    def read(
        cls,
        model: type[BaseModel],
        environment: Mapping[str, str],
        *,
        dotenv: str | None,
        refusal: Callable[[str, str], str | None],
    ) -> Self:
        """Find every variable with the model's prefix. Raises SettingError for an unknown name or an unreadable file.

        `refusal` says why a key of a free section may not be set.
        """
        prefix = str(model.model_config.get("env_prefix", ""))
        leaves = {variable_name(prefix, path): (path, annotation) for path, annotation in _leaves(model, ())}
        reader = cls(refusal=refusal)
        for text, place in ((dotenv or "", _dotenv(dotenv)), ("environment", environment)):
            for variable in sorted(name for name in place if _is_ours(name.upper(), prefix)):
                reader._take(variable, place[variable], text, prefix, leaves)
        return reader

    def _take(
        self, variable: str, value: str, text: str, prefix: str, leaves: Mapping[str, tuple[tuple[str, ...], Any]]
    ) -> None:
        name = variable.upper()
        path, annotation = leaves.get(name, ((), None))
        plain = leaves.get(name.removesuffix(_FILE), ((), None))
        if not path and name.endswith(_FILE) and _is_secret(plain[1]):
            path, annotation = plain
            value, text = _content(variable, value), f"{text}, file {value}"
        if not path:
            path = _free_path(name.removeprefix(prefix))
            refused = self.refusal(*path) if path else None
            if refused:
                raise SettingError(f"{variable}: {refused}")
        if not path:
            raise SettingError(_unknown(variable, leaves, prefix))
        place = self.values
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = _parsed(variable, value, annotation)
        self.origins[".".join(path)] = Origin(variable=variable, text=text, value=value)


def variable_name(prefix: str, path: tuple[str, ...]) -> str:
    """The variable that sets `path`: ("kafka", "sasl.mechanism") is PREFIX_KAFKA__SASL_MECHANISM."""
    return prefix + _NEST.join(part.replace(".", "_").replace("-", "_").upper() for part in path)


def explain(fault: ValidationError, model: type[BaseModel], origins: Mapping[str, Origin]) -> str:
    """One line about the first thing wrong: the variable, its value unless secret, and what is allowed."""
    prefix = str(model.model_config.get("env_prefix", ""))
    first = fault.errors(include_url=False, include_context=True)[0]
    path = tuple(str(part) for part in first["loc"])
    while path and ".".join(path) not in origins and variable_name(prefix, path) not in _names(model, prefix):
        path = path[:-1]
    said = str(first["msg"]).removeprefix("Value error, ")
    origin = origins.get(".".join(path))
    annotation = {variable_name(prefix, leaf): kind for leaf, kind in _leaves(model, ())}.get(
        variable_name(prefix, path)
    )
    variable = origin.variable if origin else variable_name(prefix, path or tuple(str(part) for part in first["loc"]))
    shown = "" if origin is None or _is_secret(annotation) else f" {_shortened(origin.value)}"
    return f"{variable}{shown}: {said[:1].lower()}{said[1:]}" + (f" (from {origin.text})" if origin else "")


def _is_ours(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and not _SERVICE_LINK.fullmatch(name.removeprefix(prefix))


def _names(model: type[BaseModel], prefix: str) -> set[str]:
    return {variable_name(prefix, path) for path, _ in _leaves(model, ())}


def _leaves(model: type[BaseModel], path: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for name, info in model.model_fields.items():
        annotation, here = info.annotation, (*path, name)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found += _leaves(annotation, here)
        elif here not in {(free,) for free in _FREE}:
            found.append((here, annotation))
    return found


def _free_path(name: str) -> tuple[str, ...]:
    section, _, rest = name.lower().partition(_NEST)
    if section not in _FREE or not rest:
        return ()
    # Topics are named as in the catalogue (merge-command), Kafka's properties as in librdkafka (sasl.mechanism).
    key = rest.replace(_NEST, ".").replace("_", ".") if section == "kafka" else rest.replace("_", "-")
    return (section, key)


def _unknown(variable: str, leaves: Mapping[str, object], prefix: str) -> str:
    candidates = [*leaves, f"{prefix}KAFKA__BOOTSTRAP_SERVERS"]
    near = difflib.get_close_matches(variable.upper(), candidates, n=1, cutoff=0.5)
    return f"{variable}: there is no such setting" + (f"; did you mean {near[0]}?" if near else "")


def _parsed(variable: str, value: str, annotation: Any) -> Any:
    kinds = {getattr(kind, "__origin__", kind) for kind in (annotation, *get_args(annotation))}
    if not kinds & {list, tuple, dict, set, frozenset} or not value.strip():
        return value
    if not value.lstrip().startswith(("[", "{")):
        return [part.strip() for part in value.split(",")]
    try:
        return json.loads(value)
    except json.JSONDecodeError as fault:
        raise SettingError(f"{variable}: not JSON at character {fault.pos}") from None


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def _content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
        raise SettingError(f"{variable}: cannot read the file {path}: {reason}") from None


def _dotenv(path: str | None) -> dict[str, str]:
    if path is None or not Path(path).is_file():
        return {}
    try:
        return {name: value or "" for name, value in dotenv_values(path).items()}
    except (OSError, UnicodeDecodeError):
        raise SettingError(f"the file {path} cannot be read as UTF-8") from None


def _shortened(value: str) -> str:
    text = value if len(value) <= _LONGEST_SHOWN_VALUE else value[:_LONGEST_SHOWN_VALUE] + "…"
    return repr(text)
