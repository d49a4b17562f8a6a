"""The files of deploy/: well-formed, complete, and speaking of things that exist."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from customer_events import TOPICS
from event_runtime.metrics import RuntimeMetrics
from event_runtime.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text("utf-8"))
DASHBOARDS = [json.loads(path.read_text("utf-8")) for path in (DEPLOY / "grafana/dashboards").glob("*.json")]
RUNBOOK = (ROOT / "docs/runbooks/alerts.md").read_text("utf-8")
SERVICES = {"merge-worker": "merge_worker", "dedupe-detector": "dedupe_detector", "review-desk": "review_desk"}


def run(*command: str | Path, **environment: str) -> str:
    """What a linter says, with the programs of this environment first in the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_dockerfile_passes_hadolint() -> None:
    run("hadolint", DEPLOY / "Dockerfile")


def test_the_image_does_not_run_as_root_and_installs_only_what_is_locked() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    installs = text.replace("\\\n", " ").split("pip install")[1:]
    assert len(installs) == 2
    assert all("--require-hashes" in install or "--no-deps" in install for install in installs)


def test_everything_the_image_copies_exists_and_is_let_in() -> None:
    sources = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for source in " ".join(sources).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_the_compose_file_is_valid() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_the_yaml_is_tidy() -> None:
    run("yamllint", "--strict", "--config-file", DEPLOY / ".yamllint", DEPLOY)


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_what_a_container_depends_on_exists_and_can_be_waited_for(name: str) -> None:
    for dependency, wanted in COMPOSE["services"][name].get("depends_on", {}).items():
        other = COMPOSE["services"][dependency]
        if wanted["condition"] == "service_healthy":
            assert "healthcheck" in other, dependency
        else:
            assert wanted["condition"] == "service_completed_successfully"
            assert other["restart"] == "no", dependency


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_container_is_reached_from_this_machine_only_and_keeps_its_data_in_named_volumes(name: str) -> None:
    container = COMPOSE["services"][name]
    assert all(port.startswith("127.0.0.1:") for port in container.get("ports", ()))
    for volume in container.get("volumes", ()):
        source = volume.split(":")[0]
        assert (DEPLOY / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], volume


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_read_only_without_privileges_and_says_whether_it_lives(name: str) -> None:
    container = COMPOSE["services"][name]
    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert "/livez" in container["healthcheck"]["test"][-1]
    # the service itself needs up to 25 s to finish a batch and close
    assert int(container["stop_grace_period"].removesuffix("s")) > 25


def _settings(name: str) -> type[ServiceSettings]:
    module = importlib.import_module(f"{SERVICES[name]}.settings")
    return next(
        kind
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, ServiceSettings) and kind is not ServiceSettings
    )


def test_each_service_listens_where_the_readme_says_unless_told_otherwise() -> None:
    said = re.search(r"on one port \((\d+), (\d+), (\d+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert said is not None
    ports = [str(_settings(name).load({}, dotenv=None).http.port) for name in SERVICES]
    assert ports == list(said.groups())


@pytest.mark.parametrize("name", SERVICES)
def test_the_settings_of_a_service_are_settings_it_has(name: str) -> None:
    settings = _settings(name)
    container = COMPOSE["services"][name]
    given = {key: value for key, value in container["environment"].items() if value is not None}
    loaded = settings.load(given, dotenv=None)
    assert loaded.http.host == "0.0.0.0"  # noqa: S104 - inside a container; the port is published on loopback
    assert f"127.0.0.1:{loaded.http.port}:{loaded.http.port}" in container["ports"]
    assert f":{loaded.http.port}/livez" in container["healthcheck"]["test"][-1]
    assert loaded.kafka_properties() == {"bootstrap.servers": "kafka:9092"}
    assert loaded.database_url().endswith("@postgres:5432/customers")
    assert container["command"] == [name, "run"]


def test_every_service_is_scraped_where_it_listens() -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    scraped = {job["job_name"]: job["static_configs"][0]["targets"] for job in configuration["scrape_configs"]}
    ports = {name: COMPOSE["services"][name]["ports"][0].split(":")[-1] for name in SERVICES}
    assert scraped == {name: [f"{name}:{port}"] for name, port in ports.items()}
    for rule_file in configuration["rule_files"]:
        assert (DEPLOY / "prometheus" / rule_file).is_file()


def test_the_topics_are_made_as_the_catalogue_says(tmp_path: Path) -> None:
    recorder = tmp_path / "kafka-topics.sh"
    recorder.write_text('#!/bin/sh\nprintf "%s " "$@"\necho\n')
    recorder.chmod(0o755)
    script = DEPLOY / "kafka/create-topics.sh"
    said = run("sh", script, KAFKA_BOOTSTRAP_SERVERS="kafka:9092", KAFKA_TOPICS=str(recorder), REPLICATION_FACTOR="3")
    on_the_path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    assert run("sh", script, KAFKA_BOOTSTRAP_SERVERS="kafka:9092", REPLICATION_FACTOR="3", PATH=on_the_path) == said
    made = {}
    for line in said.splitlines():
        words = line.split()
        options = {words[at]: words[at + 1] for at in range(len(words) - 1) if words[at] != "--config"}
        assert options["--bootstrap-server"] == "kafka:9092"
        assert options["--replication-factor"] == "3"
        settings = dict(words[at + 1].split("=") for at, word in enumerate(words) if word == "--config")
        made[options["--topic"]] = (int(options["--partitions"]), settings)
    assert made == {name: (topic.partitions, dict(topic.configuration)) for name, topic in TOPICS.items()}


# Metrics


def _series() -> dict[str, set[str]]:
    """Every series a service shows, with its labels."""
    metrics = RuntimeMetrics(
        "service",
        topics=["t"],
        published_topics=["t"],
        streams=1,
        outcomes=["merged"],
        request_statuses=["deferred"],
        systems=["crm"],
    )
    series: dict[str, set[str]] = {"up": {"job", "instance"}}
    for family in metrics.registry.collect():
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels, {"job", "instance"})
    for group in RULES["groups"]:
        for rule in group["rules"]:
            if "record" in rule:
                series[rule["record"]] = {"job"}
    return series


SERIES = _series()


def _expressions() -> list[Any]:
    rules = [(rule.get("alert") or rule["record"], rule) for group in RULES["groups"] for rule in group["rules"]]
    targets = [
        (f"{panel['title']} {target['refId']}", target)
        for dashboard in DASHBOARDS
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    return [pytest.param(found["expr"], id=name) for name, found in [*rules, *targets]]


@pytest.mark.parametrize("expression", _expressions())
def test_an_expression_names_series_and_labels_that_services_show(expression: str) -> None:
    named = set(re.findall(r"(?<![\w$\"])((?:customer_merge|process|job:|python)[\w:]*|up)(?=[{\[) ]|$)", expression))
    assert named, expression
    assert named <= set(SERIES), named - set(SERIES)
    labels = set().union(*(SERIES[name] for name in named))
    used = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}
    used |= set(re.findall(r"(\w+)(?:=~|!=|!~|=)\"", expression))
    assert used <= labels, used - labels


def test_an_objective_is_a_bucket_of_its_histogram() -> None:
    buckets = {
        sample.labels["le"]
        for family in RuntimeMetrics("service", topics=["t"]).registry.collect()
        for sample in family.samples
        if sample.name == "customer_merge_record_delay_seconds_bucket"
    }
    asked = {le for rule in _expressions() for le in re.findall(r"le=\"([^\"]+)\"", rule.values[0])}
    assert asked == {"30.0"}
    assert asked <= buckets


def test_promtool_accepts_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt install prometheus); the rules were checked by structure")
    assert "SUCCESS" in run(promtool, "check", "rules", DEPLOY / "prometheus/rules.yml")


@pytest.mark.parametrize(
    "rule", [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule], ids=lambda r: r["alert"]
)
def test_every_alert_says_what_it_is_and_has_a_runbook_with_a_first_command(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert ROOT / page == ROOT / "docs/runbooks/alerts.md"
    assert anchor == rule["alert"].lower()
    section = RUNBOOK.split(f"\n## {rule['alert']}\n")[1].split("\n## ")[0]
    assert re.search(r"^    (docker|curl|merge-worker|dedupe-detector) ", section, re.MULTILINE)


def test_every_section_of_the_runbook_belongs_to_an_alert() -> None:
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
    assert set(re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)) == alerts


def test_dashboards_can_be_provisioned() -> None:
    data_source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text("utf-8"))
    assert [source["uid"] for source in data_source["datasources"]] == ["prometheus"]
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/customer-merge.yaml").read_text("utf-8"))
    path = provider["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{path}:ro" in COMPOSE["services"]["grafana"]["volumes"]
    for dashboard in DASHBOARDS:
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(ids) == len(set(ids))
        assert all(panel["type"] == "row" or panel["targets"] for panel in dashboard["panels"])
        home = COMPOSE["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        assert (DEPLOY / "grafana/dashboards" / Path(home).name).is_file()


def test_the_runbook_names_only_commands_that_exist() -> None:
    said = set(
        re.findall(r"(?:^    |`)(merge-worker|review-desk|dedupe-detector) ([a-z]+(?: [a-z]+)*)", RUNBOOK, re.MULTILINE)
    )
    assert len(said) > 5
    for program, command in said:
        run(program, *command.split(), "--help")
