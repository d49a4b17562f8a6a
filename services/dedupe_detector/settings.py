"""The settings of the detector: `DEDUPE_DETECTOR_…` in the environment or in a `.env` file."""

from typing import ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from event_runtime.settings import BatchSettings, HttpSettings, ServiceSettings

CONSUMED_TOPICS = ("customer-created", "customer-merged", "merge-command")
PRODUCED_TOPICS = ("merge-candidate", "merge-quarantine")


class DetectorSettings(ServiceSettings):
    """What every service has, the matching model, and the key that hides national ids."""

    model_config = SettingsConfigDict(
        env_prefix="DEDUPE_DETECTOR_", extra="forbid", frozen=True, validate_default=True, protected_namespaces=()
    )
    known_topics: ClassVar[tuple[str, ...]] = (*CONSUMED_TOPICS, *PRODUCED_TOPICS)

    batch: BatchSettings = BatchSettings(max_commands=2_000)  # of a larger batch more keys are neighbours in the index
    http: HttpSettings = HttpSettings(port=8082)
    model: str = Field(default="", description="path of the model to start from; default: the shipped one")
    learn: bool = Field(default=True, description="fit the model to each tenant's own records as they grow in number")
    national_id_key: SecretStr | None = Field(
        default=None, description="with a key, national ids are kept only as keyed hashes (then only equal ones agree)"
    )
    tenant: str = Field(default="default", min_length=1, description="the tenant that explain means without --tenant")
