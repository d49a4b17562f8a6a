"""A whole merge plan."""

from typing import Annotated

from pydantic import Field, model_validator

from merge_engine.plan_file.children import Child, Repoint, RepointUnique
from merge_engine.plan_file.conversion import Conversion
from merge_engine.plan_file.customer import Customer, Disposition
from merge_engine.plan_file.display import Display
from merge_engine.plan_file.erasure import Erasure
from merge_engine.plan_file.fields import FieldPlan
from merge_engine.plan_file.packs import PackName
from merge_engine.plan_file.parts import Name, Part, RuleName
from merge_engine.plan_file.rules import PreferencePlan, RulePlan
from merge_engine.plan_file.two_people import TwoPeople

Ignored = Annotated[str, Field(pattern=r"^[^.]{1,63}(\.[^.]{1,63}){1,2}$", description="schema.table[.column]")]


class Plan(Part):
    """A whole merge plan."""

    name: Name
    revision: Annotated[int, Field(ge=1)]
    undo_window_days: Annotated[int, Field(ge=0)] = 30
    # Losers with more rows than this in tables of the move `repoint` are merged at once; their rows follow in chunks.
    inline_rows: Annotated[int, Field(ge=1)] = 1_000
    # More of them than this in one table that moves at once are too many for a transaction: the merge is refused.
    rows_at_once: Annotated[int, Field(ge=5_000)] = 200_000
    customer: Customer
    conversion: Conversion | None = None
    erasure: Erasure | None = None
    disposition: Disposition
    fields: dict[Name, FieldPlan]
    children: tuple[Child, ...]
    packs: tuple[PackName, ...] = ()
    not_applicable: dict[RuleName, Annotated[str, Field(min_length=1)]] = Field(default={})
    rules: tuple[RulePlan, ...] = ()
    two_people: tuple[TwoPeople, ...] = ()
    winner: tuple[PreferencePlan, ...] = ()
    display: Display = Display()
    ignore: dict[Ignored, Annotated[str, Field(min_length=1)]] = Field(default={})

    @model_validator(mode="after")
    def _distinct_children(self) -> "Plan":
        entries: dict[tuple[str, str], list[Child]] = {}
        for child in self.children:
            entries.setdefault((child.table, child.customer or self.customer.key.column), []).append(child)
        for (table, column), same in entries.items():
            if len(same) > 1 and not (
                all(one.where for one in same) and len({str(one.where) for one in same}) == len(same)
            ):
                raise ValueError(
                    f"{table} stands more than once with the customer column {column} and no where of its own"
                )
        cleared = [child for child in self.children if child.table == self.customer.table]
        if any(isinstance(child, Repoint | RepointUnique) and child.to_itself == "remove" for child in cleared):
            raise ValueError(f"{self.customer.table}: to_itself: remove would put the winner's own record aside")
        return self

    @model_validator(mode="after")
    def _erasable(self) -> "Plan":
        tables = {child.table for child in self.children}
        unknown = [table for table in (self.erasure or Erasure()).delete_children if table not in tables]
        if unknown:
            raise ValueError(f"erasure.delete_children: {', '.join(unknown)} is missing under children")
        return self

    @model_validator(mode="after")
    def _convertible(self) -> "Plan":
        if self.conversion is not None and self.customer.type is None:
            raise ValueError("conversion needs customer.type: {column, individual, organisation}")
        if self.conversion is not None and self.conversion.id_prefix and self.customer.key.type != "text":
            raise ValueError("conversion.id_prefix needs ids that are text")
        contact = None if self.conversion is None else self.conversion.keep_contact
        entries = {(child.table, child.customer or self.customer.key.column) for child in self.children}
        if contact is not None and (contact.table, contact.customer) not in entries:
            raise ValueError(
                f"conversion.keep_contact: {contact.table} by {contact.customer} is missing under children"
            )
        return self
