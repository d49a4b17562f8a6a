"""How a customer's type is changed."""

from pydantic import Field, model_validator

from merge_engine.plan_file.parts import Name, Part, Scalar, Table


class IdPrefix(Part):
    """Ids begin otherwise for individuals and for organisations: a customer's id changes with its type."""

    individual: str = Field(min_length=1, max_length=50)
    organisation: str = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _differ(self) -> "IdPrefix":
        if self.individual == self.organisation:
            raise ValueError("individual and organisation need different prefixes; leave id_prefix out if ids stay")
        return self


class ContactRole(Part):
    """The column that tells the primary contact from other relationships, and what it holds."""

    column: Name
    value: Scalar


class KeepContact(Part):
    """Where an organisation's primary contact is kept: `customer` is the organisation, `contact` the individual."""

    table: Table
    customer: Name
    contact: Name
    role: ContactRole | None = None


class Conversion(Part):
    """What ConvertCustomer does. `clear` names columns that an organisation does not have."""

    id_prefix: IdPrefix | None = None
    clear: tuple[Name, ...] = ()
    keep_contact: KeepContact | None = None
