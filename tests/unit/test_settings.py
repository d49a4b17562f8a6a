"""Settings: read from the environment, checked at once, told of in one line, shown without secrets."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from event_runtime.faults import SettingError
from event_runtime.settings import HttpSettings, ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="MERGE_WORKER_")
    known_topics = ("merge-command", "customer-merged")

    plan: str = "default"
    http: HttpSettings = HttpSettings(port=8081)


def load(**variables: str) -> Settings:
    return Settings.load(prefixed(variables), dotenv=None)


def prefixed(variables: dict[str, str]) -> dict[str, str]:
    return {f"MERGE_WORKER_{name}": value for name, value in variables.items()}


def refusal(**variables: str) -> str:
    with pytest.raises(SettingError) as refused:
        load(**variables)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_nested_names_are_read_with_two_underscores() -> None:
    settings = load(BATCH__MAX_COMMANDS="7", RELAY__TRANSACTIONAL="false", LOG__LEVEL="debug")
    assert (settings.batch.max_commands, settings.relay.transactional, settings.log.level) == (7, False, "DEBUG")
    assert settings.http.port == 8081


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("KAFKA__SASL_MECHANISM", "sasl.mechanism", "PLAIN"),
        ("KAFKA__SASL__MECHANISM", "sasl.mechanism", "PLAIN"),
        ("KAFKA__ENABLE_SSL_CERTIFICATE_VERIFICATION", "enable.ssl.certificate.verification", "false"),
    ],
)
def test_kafka_properties_pass_through_with_dots(variable: str, name: str, value: str) -> None:
    assert load(**{"KAFKA__BOOTSTRAP_SERVERS": "b:1", variable: value}).kafka_properties() == {
        "bootstrap.servers": "b:1",
        name: value,
    }


def test_a_mock_broker_is_refused_by_the_name_of_its_variable() -> None:
    assert "MERGE_WORKER_KAFKA__TEST_MOCK_NUM_BROKERS" in refusal(KAFKA__TEST_MOCK_NUM_BROKERS="1")


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    assert refusal(BATCH__MAX_COMAND="5") == (
        "MERGE_WORKER_BATCH__MAX_COMAND: there is no such setting; did you mean MERGE_WORKER_BATCH__MAX_COMMANDS?"
    )


def test_an_unknown_topic_is_refused_with_the_names_there_are() -> None:
    said = refusal(TOPICS__MERGE_COMAND="x")
    assert said.startswith("MERGE_WORKER_TOPICS__MERGE_COMAND")
    assert "merge-command" in said


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("BATCH__MAX_COMMANDS", "many", "integer"),
        ("BATCH__MAX_COMMANDS", "0", "1"),
        ("HTTP__PORT", "70000", "65535"),
        ("LOG__LEVEL", "loud", "'INFO'"),
        ("RELAY__ENABLED", "perhaps", "boolean"),
        ("RELAY__LEASE_S", "0.1", "1"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_is_allowed(variable: str, value: str, allowed: str) -> None:
    said = refusal(**{variable: value})
    assert said.startswith(f"MERGE_WORKER_{variable} '{value}'")
    assert allowed in said
    assert "environment" in said


def test_a_wrong_secret_is_refused_without_being_repeated() -> None:
    said = refusal(QUARANTINE__KEY="hunter2")
    assert said.startswith("MERGE_WORKER_QUARANTINE__KEY")
    assert "hunter2" not in said


def test_a_url_that_is_no_database_is_refused_without_its_password() -> None:
    with pytest.raises(SettingError, match="MERGE_WORKER_DATABASE__URL") as refused:
        load(DATABASE__URL="mysql://me:hunter2@host/db").database_url()
    assert "hunter2" not in str(refused.value)


def test_what_is_needed_and_missing_is_named() -> None:
    with pytest.raises(SettingError, match="MERGE_WORKER_DATABASE__URL is not set"):
        load().database_url()
    with pytest.raises(SettingError, match="MERGE_WORKER_KAFKA__BOOTSTRAP_SERVERS is not set"):
        load(DATABASE__URL="").kafka_properties()


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://me:hunter2@host/db\n")
    settings = load(DATABASE__URL_FILE=str(secret))
    assert settings.database_url() == "postgresql://me:hunter2@host/db"
    assert "No such file" in refusal(DATABASE__URL_FILE=str(tmp_path / "absent"))


def test_the_environment_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("MERGE_WORKER_PLAN=from-file\nMERGE_WORKER_GROUP=g\nOTHER_THING=1\n")
    settings = Settings.load(prefixed({"PLAN": "from-environment"}), dotenv=str(dotenv))
    assert (settings.plan, settings.group) == ("from-environment", "g")
    origins = {line.name: line.origin for line in settings.origin()}
    assert origins["MERGE_WORKER_PLAN"] == "environment"
    assert origins["MERGE_WORKER_GROUP"] == str(dotenv)
    assert origins["MERGE_WORKER_HTTP__PORT"] == "default"


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = load(
        DATABASE__URL="postgresql://me:hunter2@host/db",
        KAFKA__BOOTSTRAP_SERVERS="b:1",
        KAFKA__SASL_PASSWORD="hunter2",
        QUARANTINE__KEY="hunter2hunter2hunter2hunter2hunter2hunter2h=",
    )
    shown = {line.name: line.value for line in settings.origin()}
    assert shown["MERGE_WORKER_DATABASE__URL"] == "postgresql://me:********@host/db"
    assert shown["MERGE_WORKER_KAFKA__SASL_PASSWORD"] == "********"
    assert shown["MERGE_WORKER_QUARANTINE__KEY"] == "********"
    assert shown["MERGE_WORKER_KAFKA__BOOTSTRAP_SERVERS"] == "b:1"
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_topics_take_the_prefix_unless_they_are_named() -> None:
    settings = load(TOPIC_PREFIX="eu.", TOPICS__MERGE_COMMAND="orders")
    assert settings.topic("merge-command") == "orders"
    assert settings.topic("customer-merged") == "eu.customer-merged"
    assert settings.consumer_group() == "eu.merge-worker"


def test_what_kubernetes_puts_into_every_container_is_no_setting() -> None:
    settings = load(SERVICE_HOST="10.0.0.1", PORT="tcp://10.0.0.1:80", PORT_80_TCP_ADDR="10.0.0.1")
    assert settings.http.port == 8081


@pytest.mark.parametrize(
    ("variable", "value"),
    [("KAFKA__FOO_BAR", "1"), ("KAFKA__SECURITY_PROTOCOL", "carrier-pigeon"), ("KAFKA__MAX_POLL_INTERVAL_MS", "soon")],
)
def test_what_librdkafka_would_refuse_is_refused_before_anything_starts(variable: str, value: str) -> None:
    settings = load(KAFKA__BOOTSTRAP_SERVERS="b:1", **{variable: value})
    with pytest.raises(SettingError, match=f"MERGE_WORKER_{variable}: ") as refused:
        settings.kafka_properties()
    assert "\n" not in str(refused.value)
