"""What a list of customers shows, and what can be searched."""

from typing import Literal

from merge_engine.plan_file.parts import ColumnOf, Name, Part, Table


class IdentifierPlan(Part):
    """Where an identifier is found: in a child table, or in a column of the customer."""

    kind: Literal["email", "phone", "national_id"]
    column: Name
    table: Table | None = None
    search_column: Name | None = None
    verified: Name | None = None


class Display(Part):
    """What a list of customers shows, and what can be searched."""

    source: Name | None = None
    status: Name | None = None
    full_name: Name | None = None
    name_parts: tuple[Name, ...] = ()
    identifiers: tuple[IdentifierPlan, ...] = ()
    postal_code: ColumnOf | None = None
