"""A customer as it was written down: the columns a source system may know, all optional but the ids."""

from collections.abc import Mapping
from typing import Any

from frozen_values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRecord:
    """One customer record of one tenant, values exactly as the source wrote them; an empty string means absent."""

    tenant_id: str
    customer_id: str
    version: int = 1
    source: str = ""
    full_name: str = ""
    given_name: str = ""
    middle_name: str = ""
    family_name: str = ""
    date_of_birth: str = ""
    gender: str = ""
    email: str = ""
    phone: str = ""
    street: str = ""
    city: str = ""
    region: str = ""
    postal_code: str = ""
    country: str = ""
    national_id: str = ""
    occupation: str = ""
    email_verified: bool = False
    phone_verified: bool = False

    @classmethod
    def of(
        cls,
        values: Mapping[str, str],
        *,
        tenant_id: str,
        customer_id: str,
        version: int = 1,
        source: str = "",
        email_verified: bool = False,
        phone_verified: bool = False,
    ) -> "CustomerRecord":
        """A record from its text columns by name; absent ones are empty, unknown ones an error."""
        texts: dict[str, Any] = dict(values)
        return cls(
            tenant_id=tenant_id,
            customer_id=customer_id,
            version=version,
            source=source,
            email_verified=email_verified,
            phone_verified=phone_verified,
            **texts,
        )

    def __repr__(self) -> str:
        """Ids only: a record must not reach a log by accident."""
        return f"CustomerRecord({self.tenant_id!r}, {self.customer_id!r}, version={self.version})"
