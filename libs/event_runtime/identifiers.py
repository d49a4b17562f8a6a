"""Names of schemas and tables inside SQL text, and ids that columns of type uuid take.

Values are always bound; only names chosen by the program come through `quoted`.
"""

import re

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def quoted(name: str) -> str:
    """The name as an SQL identifier.

    Raises:
        ValueError: it is not a plain lower-case identifier.
    """
    if _PLAIN.fullmatch(name) is None:
        raise ValueError(f"not a plain lower-case SQL identifier: {name!r}")
    return f'"{name}"'


def uuid_of(text: str) -> str | None:
    """The id as a column of type uuid holds it; None for what is none.

    Python's own reading takes other digits, braces and prefixes, too: an id that only looks like another is another.
    """
    return text.lower() if _UUID.fullmatch(text) else None


def channel(schema: str) -> str:
    """The NOTIFY channel on which the outbox of `schema` announces new rows."""
    quoted(schema)
    return f"{schema}_outbox"
