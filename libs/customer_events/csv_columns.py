"""The columns of a customer file, and so the fields of `Attributes`."""

from typing import Final

INPUT_COLUMNS: Final = (
    "customer_id",
    "source",
    "full_name",
    "given_name",
    "middle_name",
    "family_name",
    "date_of_birth",
    "gender",
    "email",
    "phone",
    "street",
    "city",
    "region",
    "postal_code",
    "country",
    "national_id",
    "occupation",
    "email_verified",
    "phone_verified",
)

BOOLEAN_COLUMNS: Final = frozenset({"email_verified", "phone_verified"})
