"""The worker's settings: `MERGE_WORKER_…` in the environment or in a `.env` file."""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from event_runtime.settings import Section, ServiceSettings

CONSUMED_TOPICS = ("merge-command", "relink-ack")
PRODUCED_TOPICS = ("merge-outcome", "customer-merged", "customer-alias", "merge-quarantine")

# Ways of knowing that a command may be carried out which are planned and cannot be chosen yet.
_AUTHORITIES_TO_COME = frozenset({"approval", "signature"})


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


class LoopSettings(Section):
    """How often the worker looks after what does not come over the bus."""

    schedule_s: Annotated[float, Field(gt=0)] = Field(
        default=1, description="seconds between two looks for due requests"
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

    plan: str = Field(default="default", description="path of a merge plan, or the name of a shipped one")
    authority: str = Field(default="topic", description="topic: whoever may write merge-command is trusted")
    relink: RelinkSettings = RelinkSettings()
    deferral: DeferralSettings = DeferralSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
    loop: LoopSettings = LoopSettings()

    @field_validator("authority")
    @classmethod
    def _there_is_one(cls, value: str) -> str:
        if value in _AUTHORITIES_TO_COME:
            raise ValueError(f"{value} is not available yet; the only authority is topic")
        if value != "topic":
            raise ValueError("the only authority is topic")
        return value
