"""The customer table, and what becomes of a loser's record."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from merge_engine.plan_file.parts import Key, Name, Part, Scalar, Table


class CustomerType(Part):
    """The column that tells individuals from organisations, and what it holds for each."""

    column: Name
    individual: Scalar
    organisation: Scalar

    @model_validator(mode="after")
    def _differ(self) -> "CustomerType":
        if self.individual == self.organisation:
            raise ValueError("individual and organisation must be written differently")
        return self


class Customer(Part):
    """The customer table. Without a version column, a hash of the row serves as its version."""

    table: Table
    key: Key
    tenant: Key | None = None
    type: CustomerType | None = None
    version: Name | None = None
    updated_at: Name | None = None


class Link(Part):
    """The loser's record is kept; its link column always holds the root."""

    kind: Literal["link"]
    column: Name
    set: dict[Name, Scalar | None] = Field(default={})


class Inactivate(Part):
    """The loser's record is kept and marked; only the identity map says who answers for it."""

    kind: Literal["inactivate"]
    set: Annotated[dict[Name, Scalar | None], Field(min_length=1)]
    column: ClassVar[None] = None


class Delete(Part):
    """The loser's record is deleted, last of all; its image stays in the journal until the undo window closes."""

    kind: Literal["delete"]
    column: ClassVar[None] = None
    set: ClassVar[dict[str, Scalar | None]] = {}


Disposition = Annotated[Link | Inactivate | Delete, Field(discriminator="kind")]
