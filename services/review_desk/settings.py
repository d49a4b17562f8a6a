"""The settings of the review desk: `REVIEW_DESK_…` in the environment or in a `.env` file."""

from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

from event_runtime.settings import HttpSettings, ServiceSettings
from event_runtime.signatures import AuthorityKind, SigningSettings

CONSUMED_TOPICS = ("merge-candidate", "merge-outcome", "customer-merged")
PRODUCED_TOPICS = ("merge-command", "merge-quarantine")


class DeskSettings(ServiceSettings):
    """What every service has, the approval policy, and the merge plan that rules are checked with."""

    model_config = SettingsConfigDict(env_prefix="REVIEW_DESK_", extra="forbid", frozen=True, validate_default=True)
    known_topics: ClassVar[tuple[str, ...]] = (*CONSUMED_TOPICS, *PRODUCED_TOPICS)

    http: HttpSettings = HttpSettings(port=8083)
    policy: str = Field(default="default", description="path of an approval policy, or the name of a shipped one")
    plan: str = Field(default="default", description="path of the worker's merge plan, or the name of a shipped one")
    authority: AuthorityKind = Field(
        default=AuthorityKind.TOPIC,
        description="what MERGE_WORKER_AUTHORITY says; approval: the desk notes its approvals, signature: it signs",
    )
    signature: SigningSettings = SigningSettings()
    relink_systems: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(), description="what MERGE_WORKER_RELINK__SYSTEMS says, to show who must follow a merge"
    )
    look_again_s: Annotated[float, Field(gt=0)] = Field(
        default=300, description="seconds between two looks at undecided cases that may go through by now"
    )
    resend_after_s: Annotated[float, Field(gt=0)] = Field(
        default=600,
        description="seconds after which a command without an outcome is sent again; then each time it is twice as old",
    )
    tenant: str = Field(
        default="default", min_length=1, description="the tenant that a command of the terminal means without --tenant"
    )

    @field_validator("signature")
    @classmethod
    def _key_is_there(cls, value: SigningSettings, info: ValidationInfo) -> SigningSettings:
        if info.data.get("authority") is AuthorityKind.SIGNATURE and (value.key is None or not value.key_id):
            raise ValueError("authority signature needs REVIEW_DESK_SIGNATURE__KEY_FILE and …__KEY_ID")
        return value
