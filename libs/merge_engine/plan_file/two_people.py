"""Above what a merge needs two people."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from merge_engine.plan_file.children import Child, Repoint, RepointUnique, SumIntoWinner
from merge_engine.plan_file.parts import ColumnOf, Exists, Part

_MOST_ROWS = 1_000_000_000


class TwoPeople(Part):
    """A number above which two different people must approve.

    `sum`: a column of the customer, or of a table's rows, added up over everybody who would become one. `rows`: rows
    of the losers, in one table or (`all`) in all tables whose rows move.
    """

    above: Annotated[int | float, Field(ge=0, allow_inf_nan=False)]
    sum: ColumnOf | None = None
    rows: Exists | Literal["all"] | None = None

    @model_validator(mode="after")
    def _one(self) -> "TwoPeople":
        if (self.sum is None) == (self.rows is None):
            raise ValueError("give exactly one of sum, rows")
        if self.sum is not None and self.sum.table is None and (self.sum.where or self.sum.customer or self.sum.tenant):
            raise ValueError("where, customer and tenant need table")
        if self.rows is not None and not (isinstance(self.above, int) and self.above <= _MOST_ROWS):
            raise ValueError(f"rows are counted: above must be a whole number, {_MOST_ROWS} at most")
        return self

    def counted(self, children: Sequence[Child]) -> Exists | tuple[Child, ...]:
        """The rows that count: those that were named, or the children whose rows move."""
        if isinstance(self.rows, Exists):
            return self.rows
        return tuple(child for child in children if isinstance(child, Repoint | RepointUnique | SumIntoWinner))
