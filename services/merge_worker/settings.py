"""The worker's settings: `MERGE_WORKER_…` in the environment or in a `.env` file."""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from event_runtime.settings import Section, ServiceSettings
from merge_worker.application.timetable import CronTime, cron_times

CONSUMED_TOPICS = ("merge-command", "relink-ack", "customer-created")
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

    plan: str = Field(default="default", description="path of a merge plan, or the name of a shipped one")
    authority: str = Field(default="topic", description="topic: whoever may write merge-command is trusted")
    relink: RelinkSettings = RelinkSettings()
    deferral: DeferralSettings = DeferralSettings()
    recommendation: RecommendationSettings = RecommendationSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    large: LargeSettings = LargeSettings()
    loop: LoopSettings = LoopSettings()

    @field_validator("authority")
    @classmethod
    def _there_is_one(cls, value: str) -> str:
        if value in _AUTHORITIES_TO_COME:
            raise ValueError(f"{value} is not available yet; the only authority is topic")
        if value != "topic":
            raise ValueError("the only authority is topic")
        return value
