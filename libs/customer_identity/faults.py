"""What this library raises. (Refusals are values; a fault is an input about which nothing can be decided.)."""


class IdentityFault(Exception):  # noqa: N818 - the field's word; a refusal is a value, a fault is an exception
    """An input cannot be used."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().partition("\n")[0])
