"""What every service is told by its environment and `.env` file, checked before anything starts.

A service subclasses ServiceSettings, sets `model_config = SettingsConfigDict(env_prefix="MERGE_WORKER_")` and adds its
own fields. A wrong value or an unknown name is a SettingError of one line that names the variable and what is allowed;
secrets are never repeated.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from event_runtime.database import parse_url
from event_runtime.faults import SettingError
from event_runtime.setting_sources import Origin, SettingsReader, explain, variable_name

MASK = "********"
_FERNET_KEY_BYTES = 32
# librdkafka properties whose values are secrets.
_SECRET_PROPERTIES = ("password", "secret", "private.key", "ssl.key.pem", "sasl.oauthbearer.config", "sasl.jaas")


class Section(BaseModel):
    """A group of settings (`PREFIX_SECTION__NAME`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class DatabaseSettings(Section):
    """Where PostgreSQL is."""

    url: SecretStr | None = Field(default=None, description="postgresql://user:password@host:port/database")
    pool_size: Annotated[int, Field(ge=2, le=100)] = Field(default=5, description="connections kept open")


class SchemaRegistrySettings(Section):
    """A Confluent-compatible schema registry; without one Avro is written in single-object encoding."""

    url: str | None = None


class HttpSettings(Section):
    """Where /metrics, /livez and /readyz are served."""

    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, description="0 takes a free port and logs it")


class BatchSettings(Section):
    """How many records one transaction takes, and how long it may wait for them."""

    max_commands: Annotated[int, Field(ge=1, le=5000)] = 200
    max_wait_ms: Annotated[int, Field(ge=0, le=10_000)] = 5


class RelaySettings(Section):
    """How the outbox is published."""

    enabled: bool = True
    transactional: bool = Field(default=True, description="false only for a bus without transactions: at-least-once")
    lease_s: Annotated[float, Field(ge=1, le=60)] = Field(
        default=10.0, description="seconds after which what a dead relay published is published by another one"
    )


class QuarantineSettings(Section):
    """What is kept of records that cannot be processed."""

    key: SecretStr | None = Field(default=None, description="Fernet key; without one no body is kept")

    @field_validator("key")
    @classmethod
    def _is_a_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and len(_bytes_of(key.get_secret_value())) != _FERNET_KEY_BYTES:
            raise ValueError("must be 32 bytes in URL-safe base64")
        return key


class LogSettings(Section):
    """How much is logged."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("level", mode="before")
    @classmethod
    def _in_capitals(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSetting:
    """One line of `config show`: a variable, its value with secrets masked, and where it came from."""

    name: str
    value: Any
    origin: str


class ServiceSettings(BaseSettings):
    """The settings that every service has; read once, at the start, by `load()`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)
    # Default topic names that `PREFIX_TOPICS__…` may rename; set by each service from its catalogue.
    known_topics: ClassVar[tuple[str, ...]] = ()

    group: str = Field(default="", description="Kafka consumer group; default: the service's name")
    database: DatabaseSettings = DatabaseSettings()
    kafka: dict[str, str] = Field(
        default_factory=dict, repr=False, description="librdkafka properties; KAFKA__A_B is a.b"
    )
    schema_registry: SchemaRegistrySettings = SchemaRegistrySettings()
    topic_prefix: str = Field(
        default="", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="put before default topic names"
    )
    topics: dict[str, str] = Field(default_factory=dict, description="real topic names; TOPICS__MERGE_COMMAND=…")
    http: HttpSettings = HttpSettings()
    batch: BatchSettings = BatchSettings()
    relay: RelaySettings = RelaySettings()
    quarantine: QuarantineSettings = QuarantineSettings()
    log: LogSettings = LogSettings()

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, environment: Mapping[str, str], *, dotenv: str | None = ".env") -> Self:
        """Read the settings from `environment` and the file `dotenv`, the environment winning. Raises SettingError."""
        reader = SettingsReader.read(cls, environment, dotenv=dotenv, refusal=cls.refusal)
        try:
            settings = cls.model_validate(reader.values)
        except ValidationError as fault:
            raise SettingError(explain(fault, cls, reader.origins)) from None
        settings._origins.update(reader.origins)  # noqa: SLF001 - its own class
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: nothing reads the environment behind its back."""
        return (init_settings,)

    @classmethod
    def prefix(cls) -> str:
        """What the names of this service's variables begin with (`MERGE_WORKER_`)."""
        return str(cls.model_config["env_prefix"])

    @classmethod
    def refusal(cls, section: str, key: str) -> str | None:
        """Why `key` may not be set in one of the free sections, `kafka` and `topics`; None when it may."""
        if section == "kafka" and key.startswith("test.mock."):
            return f"{key} is refused: a mock broker keeps no promise"
        if section == "topics" and key not in cls.known_topics:
            return f"{key} is no topic; topics are {', '.join(sorted(cls.known_topics))}"
        return None

    def database_url(self) -> str:
        """The database's URL. Raises SettingError when there is none or it cannot be one."""
        url = self._required(self.database.url.get_secret_value() if self.database.url else None, "DATABASE__URL")
        try:
            parse_url(url)
        except SettingError as fault:
            raise SettingError(f"{self.prefix()}DATABASE__URL: {fault}") from None
        return url

    def kafka_properties(self) -> dict[str, str]:
        """Properties for librdkafka, which has looked at them. Raises SettingError, also without bootstrap servers."""
        from event_runtime.kafka_check import objection  # noqa: PLC0415 - `config show` works without librdkafka

        self._required(self.kafka.get("bootstrap.servers"), "KAFKA__BOOTSTRAP_SERVERS")
        if (objected := objection(self.kafka)) is not None:
            name, words = objected
            secret = name is not None and _masked_property(name, "") == MASK
            variable = variable_name(self.prefix(), ("kafka", name) if name else ("kafka",))
            raise SettingError(f"{variable}: {'librdkafka refuses its value' if secret else words}")
        return dict(self.kafka)

    def consumer_group(self) -> str:
        """The consumer group, `merge-worker` for `MERGE_WORKER_` unless set."""
        return self.group or self.topic_prefix + self.prefix().lower().strip("_").replace("_", "-")

    def topic(self, name: str) -> str:
        """The real name of the topic whose default name is `name`."""
        return self.topics.get(name, self.topic_prefix + name)

    def topic_names(self) -> dict[str, str]:
        """The real name of each topic by its default name."""
        return {name: self.topic(name) for name in self.known_topics}

    def origin(self) -> list[ShownSetting]:
        """Every setting with its value (secrets masked) and its origin: `environment`, `.env` or `default`."""
        return list(self._shown(self, ()))

    def _required(self, value: str | None, name: str) -> str:
        if not value:
            raise SettingError(f"{self.prefix()}{name} is not set")
        return value

    def _shown(self, section: BaseModel, path: tuple[str, ...]) -> Iterator[ShownSetting]:
        for name in type(section).model_fields:
            value, here = getattr(section, name), (*path, name)
            if isinstance(value, Section):
                yield from self._shown(value, here)
            elif isinstance(value, dict) and here[0] in {"kafka", "topics"}:
                yield from (self._line((*here, key), _masked_property(key, each)) for key, each in value.items())
            else:
                yield self._line(here, _masked(value))

    def _line(self, path: tuple[str, ...], value: Any) -> ShownSetting:
        name = variable_name(self.prefix(), path)
        origin = self._origins.get(".".join(path))
        return ShownSetting(name=name, value=value, origin=origin.text if origin else "default")


def _masked(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return _masked_url(value.get_secret_value())
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def _masked_property(name: str, value: str) -> str:
    return MASK if any(secret in name for secret in _SECRET_PROPERTIES) else value


def _masked_url(secret: str) -> str:
    # Of a URL only the password is secret; the rest tells an operator which server was meant.
    try:
        parts = urlsplit(secret)
    except ValueError:
        return MASK
    if not parts.scheme or not parts.hostname or "password" in parts.query:
        return MASK
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    return parts._replace(netloc=f"{name}{colon}{MASK if colon else ''}{at}{host}").geturl()


def _bytes_of(key: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(key)
    except ValueError:
        return b""
