"""What becomes of a person's own data when the person is erased."""

from merge_engine.plan_file.parts import Name, Part, Table


class Erasure(Part):
    """Columns of every record of the identity that are emptied, and child tables whose rows are deleted.

    A plan without it leaves the customer tables alone: their owner erases, when IdentityErased tells it to.
    """

    clear: tuple[Name, ...] = ()
    delete_children: tuple[Table, ...] = ()
