"""What can go wrong in the engine that is not an order's fault."""


class MergeEngineError(Exception):
    """The merge engine cannot go on."""


class PlanError(MergeEngineError):
    """The merge plan cannot be used."""


class TooManyRows(MergeEngineError):  # noqa: N818 - named for what happened
    """The orders of this transaction would move more rows than one may: roll back, and do them in several.

    `splits_batch` tells whoever runs batches to do so. One order alone is never refused.
    """

    splits_batch = True


class RootMoved(MergeEngineError):  # noqa: N818 - named for what happened, as every fault is retried by that
    """An identity changed while its rows were waited for: roll back and run the whole transaction again.

    `sqlstate` makes retry policies treat it like PostgreSQL's own serialization failure.
    """

    sqlstate = "40001"
