"""The worker's settings: `MERGE_WORKER_…` in the environment or in a `.env` file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, TypeAdapter, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from event_runtime.settings import HttpSettings, Section, ServiceSettings
from event_runtime.signatures import DEFAULT_AUDIENCE, DEFAULT_LIFETIME_S, Audience, AuthorityKind
from merge_worker.application.timetable import CronTime, cron_times

CONSUMED_TOPICS = ("merge-command", "relink-ack", "customer-created")
PRODUCED_TOPICS = ("merge-outcome", "customer-merged", "customer-alias", "merge-quarantine")


class SignatureSettings(Section):
    """Whose signatures are believed, and how commands of this command line are signed."""

    keys: Path | None = Field(default=None, description="folder of public Ed25519 keys, KEY_ID.pem each")
    audience: Audience = Field(default=DEFAULT_AUDIENCE, description="whom commands must be meant for")
    leeway_s: Annotated[float, Field(ge=0)] = Field(
        default=60, description="seconds that a signature is still believed after its expiry"
    )
    lifetime_s: Annotated[int, Field(ge=1)] = Field(
        default=DEFAULT_LIFETIME_S, description="seconds in which what submit --sign-key sends must reach the worker"
    )


_SHORTEST_TOKEN = 16


class RelinkSettings(Section):
    """Who must say that they have relinked a merge, and by when."""

    systems: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), description="names of the systems that must acknowledge every merge"
    )
    due_s: Annotated[int, Field(ge=1)] = Field(default=3_600, description="seconds a system has for it")


class DeferralSettings(Section):
    """How long a command that cannot run yet is kept, and how often it is tried."""

    customer_not_found_s: Annotated[float, Field(ge=0)] = Field(
        default=60, description="seconds a customer that is not there is waited for"
    )
    retry_s: Annotated[float, Field(gt=0)] = Field(
        default=300, description="seconds between two tries of a command that fails temporary rules"
    )
    limit_days: Annotated[float, Field(gt=0)] = Field(default=30, description="days after which waiting ends")


class RecommendationSettings(Section):
    """How long a recommendation stays on the list."""

    lifetime_days: Annotated[float, Field(gt=0)] = Field(default=30, description="days after which it is removed")
    look_again_s: Annotated[float, Field(gt=0)] = Field(
        default=300, description="seconds between two looks whether its customers were merged otherwise"
    )


class ScheduleSettings(Section):
    """When everything on the list that is approved or waits is tried, beside the paces of its own."""

    merge_at: str = Field(
        default="", description="cron expressions of five fields, separated by semicolons: 0 2 * * *; 30 12 * * MON-FRI"
    )
    time_zone: str = Field(default="UTC", description="the time zone they are read in, such as Europe/London")
    catch_up_s: Annotated[float, Field(ge=0)] = Field(
        default=3_600, description="seconds after which a time that no worker was there for is let go"
    )

    @model_validator(mode="after")
    def _readable(self) -> "ScheduleSettings":
        _ = self.crons
        return self

    @property
    def crons(self) -> tuple[CronTime, ...]:
        """The times, read."""
        return cron_times(self.merge_at, self.time_zone)


class LargeSettings(Section):
    """How the rows of large merges follow; from how many rows on a merge is large, the plan says (`inline_rows`)."""

    chunk_rows: Annotated[int, Field(ge=1, le=100_000)] = Field(default=1_000, description="rows in a transaction")
    rest_share: Annotated[float, Field(ge=0)] = Field(
        default=0.5, description="time rested after a chunk, as a share of the time that it took"
    )
    lease_s: Annotated[float, Field(gt=0)] = Field(
        default=0.75, description="seconds after which another worker takes over from one that is gone"
    )
    look_s: Annotated[float, Field(gt=0)] = Field(default=0.25, description="seconds between two looks for such merges")
    notice_s: Annotated[float, Field(ge=0)] = Field(
        default=1, description="seconds between two notices (MergeProgressed) about a merge"
    )
    put_off_s: Annotated[float, Field(gt=0)] = Field(
        default=30, description="seconds until a merge whose rows cannot be moved is tried again"
    )
    listing_timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=300, description="seconds that listing the rows of a merge may take"
    )


class LookupSettings(Section):
    """Who may ask GET /customers/…: on a loopback address anybody, elsewhere whoever has a token."""

    token: SecretStr | None = Field(
        default=None, description="bearer token of 16 characters or more; several, with blanks between: each is good"
    )
    tenant_tokens: SecretStr | None = Field(
        default=None, description='tokens that are good for some tenants only, as JSON: {"TOKEN": ["TENANT", …], …}'
    )
    open: bool = Field(default=False, description="true: anybody who reaches the port, wherever it listens")

    @field_validator("token")
    @classmethod
    def _is_long(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and min(map(len, token.get_secret_value().split()), default=0) < _SHORTEST_TOKEN:
            raise ValueError(f"a token has {_SHORTEST_TOKEN} characters or more")
        return token

    @field_validator("tenant_tokens")
    @classmethod
    def _is_mapping(cls, tokens: SecretStr | None) -> SecretStr | None:
        _ = _tenants_by_token(tokens)
        return tokens

    @model_validator(mode="after")
    def _one_of_both(self) -> "LookupSettings":
        if self.open and (self.token is not None or self.tenant_tokens is not None):
            raise ValueError("open and token exclude each other")
        if not _tenants_by_token(self.tenant_tokens).keys().isdisjoint(self._general):
            raise ValueError("a token stands in both token and tenant_tokens")
        return self

    @property
    def tokens(self) -> Mapping[str, frozenset[str] | None]:
        """All of them, each with the tenants that it is good for; None: for all."""
        return {**dict.fromkeys(self._general), **_tenants_by_token(self.tenant_tokens)}

    @property
    def _general(self) -> tuple[str, ...]:
        return () if self.token is None else tuple(self.token.get_secret_value().split())


_TENANTS_BY_TOKEN = TypeAdapter(dict[str, Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]])


def _tenants_by_token(tokens: SecretStr | None) -> Mapping[str, frozenset[str]]:
    if tokens is None:
        return {}
    try:
        found = _TENANTS_BY_TOKEN.validate_json(tokens.get_secret_value())
    except ValidationError:
        found = {}  # what pydantic says of it repeats it
    if not found:
        raise ValueError('must be JSON: {"TOKEN": ["TENANT", …], …}')
    if any(len(token) < _SHORTEST_TOKEN or token.split() != [token] for token in found):
        raise ValueError(f"a token has {_SHORTEST_TOKEN} characters or more and no blanks")
    return {token: frozenset(tenants) for token, tenants in found.items()}


class LoopSettings(Section):
    """How often the worker looks after what does not come over the bus."""

    schedule_s: Annotated[float, Field(gt=0)] = Field(
        default=1, description="seconds between two looks for due requests"
    )
    erase_s: Annotated[float, Field(gt=0)] = Field(
        default=5, description="seconds between two looks whether erasures that wait can go on"
    )
    purge_s: Annotated[float, Field(gt=0)] = Field(
        default=60, description="seconds between two looks for before-images whose undo window has closed"
    )
    reconcile_s: Annotated[float, Field(gt=0)] = Field(
        default=60, description="seconds between two sweeps for rows written under ids merged away in the last hour"
    )
    reconcile_all_s: Annotated[float, Field(gt=0)] = Field(
        default=3_600, description="seconds between two sweeps for rows written under any merged-away id"
    )


class MergeWorkerSettings(ServiceSettings):
    """Everything the worker is told from outside."""

    model_config = SettingsConfigDict(env_prefix="MERGE_WORKER_", extra="forbid", frozen=True, validate_default=True)
    known_topics: ClassVar[tuple[str, ...]] = (*CONSUMED_TOPICS, *PRODUCED_TOPICS)

    http: HttpSettings = HttpSettings(port=8081)
    plan: str = Field(default="default", description="path of a merge plan, or the name of a shipped one")
    authority: AuthorityKind = Field(
        default=AuthorityKind.TOPIC,
        description="who is believed. topic: whoever may write merge-command; approval: what merge.approvals has a row"
        " for; signature: what is signed with a known key. Without that proof a merge is only recommended",
    )
    signature: SignatureSettings = SignatureSettings()
    relink: RelinkSettings = RelinkSettings()
    deferral: DeferralSettings = DeferralSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    large: LargeSettings = LargeSettings()
    lookup: LookupSettings = LookupSettings()
    loop: LoopSettings = LoopSettings()

    @field_validator("signature")
    @classmethod
    def _keys_are_named(cls, value: SignatureSettings, info: ValidationInfo) -> SignatureSettings:
        if info.data.get("authority") is AuthorityKind.SIGNATURE and value.keys is None:
            raise ValueError("authority signature needs MERGE_WORKER_SIGNATURE__KEYS, the folder of the public keys")
        return value
