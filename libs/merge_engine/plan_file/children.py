"""How the rows of child tables follow their customer.

A table may stand several times, each time with another customer column, and the customer table itself may stand here
(a customer that names another one).
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from merge_engine.plan_file.parts import Condition, KeyType, Name, Part, RuleName, Table, WithinDays

Columns = Annotated[tuple[Name, ...], Field(min_length=1)]

_WITH_COLUMN = frozenset({"newest", "oldest", "most_restrictive", "highest", "latest_evidence"})


class Collision(Part):
    """Which row stays when rows of the winner and the losers cannot both; ties go to the winner, then by order.

    `latest_evidence` is for consents: the latest decision counts that is an opt-out or has evidence. `block` refuses
    the merge. A losing row of a loser is put aside, or stays on the loser (`losing_rows: keep_on_loser`); a losing row
    of the winner is always put aside: its place is taken.
    """

    policy: Literal[
        "keep_winner", "keep_loser", "newest", "oldest", "most_restrictive", "highest", "latest_evidence", "block"
    ]
    column: Name | None = None
    losing_rows: Literal["remove", "keep_on_loser"] = "remove"

    @model_validator(mode="after")
    def _column(self) -> "Collision":
        if (self.policy in _WITH_COLUMN) != (self.column is not None):
            raise ValueError(f"{', '.join(sorted(_WITH_COLUMN))} need a column, the other policies take none")
        if self.policy == "block" and self.losing_rows != "remove":
            raise ValueError("no row loses under the policy block; leave losing_rows out")
        return self


class Announce(Part):
    """Columns of an external id table that the merge announces."""

    system: Name
    id: Name


class Consent(Part):
    """Columns of a consent table whose decisions the merge announces."""

    channel: Name
    granted: Name
    evidence: Name


class SumOf(Part):
    """A sum that a column must always equal, per customer."""

    table: Table
    column: Name


class _Child(Part):
    """What all moves share.

    `customer` and `tenant` name the columns that say whose a row is, if they are called otherwise than in the customer
    table; `tenant: false` says that the rows carry no tenant. `customer_type` is given where the column's type differs
    from the key's. Only rows that satisfy `where` are the customer's (polymorphic tables).
    """

    table: Table
    customer: Name | None = None
    customer_type: KeyType | None = None
    tenant: Name | Literal[False] | None = None
    where: dict[Name, Condition] = Field(default={})
    row_id: Name | Columns | None = None

    @property
    def row_id_columns(self) -> tuple[str, ...]:
        """The columns that tell rows apart."""
        return (self.row_id,) if isinstance(self.row_id, str) else self.row_id or ()

    @model_validator(mode="after")
    def _lasting(self) -> "_Child":
        passing = sorted(column for column, condition in self.where.items() if isinstance(condition, WithinDays))
        if passing:
            raise ValueError(f"whose a row is must not change with time: no within_days on {', '.join(passing)}")
        return self


class _RowByRow(_Child):
    """Rows are told apart by `row_id`: one column, or all columns of a composite key."""

    row_id: Name | Columns = "id"


class _Moved(_RowByRow):
    """Rows that change their customer.

    `refresh` names columns that copy a field of the winner. `to_itself` says what becomes of a row that would connect
    the winner with itself: it stays so, its customer is cleared, or it is put aside. In the customer table the default
    is clear, elsewhere keep.
    """

    refresh: dict[Name, Name] = Field(default={})
    choosable: bool = False
    to_itself: Literal["keep", "clear", "remove"] | None = None


class Repoint(_Moved):
    """Rows move to the winner as they are; with `facilitator`, to the order's facilitator if it names one."""

    move: Literal["repoint"]
    external_id: Announce | None = None
    facilitator: bool = False

    @model_validator(mode="after")
    def _one_taker(self) -> "Repoint":
        if self.facilitator and self.refresh:
            raise ValueError("rows that may go to a facilitator cannot copy the winner's fields; leave refresh out")
        return self


class RepointUnique(_Moved):
    """Rows move unless the winner's or another loser's row is in the way; rows that lose are put aside.

    With `unique: []` a customer has at most one row.
    `one_flagged` names a boolean column that is true for at most one row of a customer.
    """

    move: Literal["repoint_unique"]
    unique: tuple[Name, ...]
    collision: Collision
    one_flagged: Name | None = None
    consent: Consent | None = None

    @model_validator(mode="after")
    def _evidence(self) -> "RepointUnique":
        if self.collision.policy == "latest_evidence" and self.consent is None:
            raise ValueError("latest_evidence needs consent: {channel, granted, evidence}")
        if self.consent is not None and self.collision.losing_rows == "keep_on_loser":
            raise ValueError("a consent that lost must not stay anywhere; leave losing_rows out")
        if self.consent is not None and self.collision.policy not in {"most_restrictive", "latest_evidence", "block"}:
            raise ValueError("an opt-out could be lost: consents need most_restrictive, latest_evidence or block")
        return self


class SumIntoWinner(_Child):
    """One row a customer; the losers' figures are added to the winner's, and their rows put aside.

    With `losing_rows: keep_on_loser` the losers' rows stay, with zeros. `row_id` is given where rows have an id of
    their own: a winner without a row gets one with a new id.
    """

    move: Literal["sum_into_winner"]
    sum: Columns
    equals: dict[Name, SumOf] = Field(default={})
    losing_rows: Literal["remove", "keep_on_loser"] = "remove"
    row_id: Name | None = None


class KeepOnLoser(_Child):
    """Rows stay where they are."""

    move: Literal["keep_on_loser"]


class CopyMissing(_RowByRow):
    """Rows whose unique columns the winner lacks are copied to the winner; the loser keeps its own."""

    move: Literal["copy_missing"]
    unique: Columns


class BlockIfExists(_Child):
    """No customer with such rows may be merged away: a rule."""

    move: Literal["block_if_exists"]
    rule: RuleName
    permanent: bool = True
    message: str = "the customer has rows that cannot follow a merge"
    remediation: str = "close or remove them first, or make this customer the winner"


Child = Annotated[
    Repoint | RepointUnique | SumIntoWinner | KeepOnLoser | CopyMissing | BlockIfExists, Field(discriminator="move")
]
