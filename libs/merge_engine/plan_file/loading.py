"""Reading a plan from YAML; errors name file, line and remedy."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

from merge_engine.faults import PlanError
from merge_engine.plan_file.binding import binding_faults
from merge_engine.plan_file.plan import Plan


def load_plan(plan: str | Path) -> Plan:
    """Read a plan by path, or a shipped one by its bare name."""
    path = _path_of(plan)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path}: the plan cannot be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PlanError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise PlanError(f"{path}: not a plan: it is nested too deeply") from None
    if twice := [f"{path}:{line}: {key}: stands here for the second time" for key, line in _repeated(root)]:
        raise PlanError("\n".join(twice))
    try:
        loaded = Plan.model_validate(content)
    except ValidationError as error:
        lines = [
            f"{path}:{_line(root, fault['loc'])}: {_spot(fault['loc'])}: {fault['msg']}{_hint(fault['input'])}"
            for fault in error.errors()
        ]
        raise PlanError("\n".join(lines)) from error
    faults = [f"{path}:{_line(root, at)}: {_spot(at)}: {message}" for at, message in binding_faults(loaded)]
    if faults:
        raise PlanError("\n".join(faults))
    return loaded


def shipped_plans() -> list[str]:
    """Names of the plans that come with the engine."""
    return sorted(path.stem for path in _SHIPPED.glob("*.yaml"))


def place_in(plan: str | Path, location: tuple[int | str, ...]) -> str:
    """File and line of a part of a plan that was loaded, as messages begin: `path:line`."""
    path = _path_of(plan)
    return f"{path}:{_line(yaml.compose(path.read_text(encoding='utf-8'), Loader=yaml.SafeLoader), location)}"


_SHIPPED = Path(__file__).parent.parent / "plans"


def _path_of(plan: str | Path) -> Path:
    if isinstance(plan, str) and "/" not in plan and not plan.endswith((".yaml", ".yml")):
        shipped = _SHIPPED / f"{plan}.yaml"
        if not shipped.is_file():
            raise PlanError(f"there is no shipped plan {plan!r}; give a path, or one of: {', '.join(shipped_plans())}")
        return shipped
    return Path(plan)


def _repeated(root: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Keys that stand twice in a mapping, of which YAML would silently take the last."""
    todo, seen = [root], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))  # an alias leads to what was looked at
        if isinstance(node, yaml.MappingNode):
            known: set[str] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    if key.value in known:
                        yield key.value, key.start_mark.line + 1
                    known.add(key.value)
                todo.append(value)
        else:
            todo.extend(node.value)


def _hint(value: object) -> str:
    return " (YAML reads bare yes, no, on and off as true and false: quote them)" if isinstance(value, bool) else ""


def _spot(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location) or "plan"


def _line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The line of the innermost YAML node on the way to `location`; steps that pydantic added are passed over."""
    line = 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = node.value[step]
        else:
            found = None
        if found is not None:
            node = found
            line = node.start_mark.line + 1
    return line
