"""Names of schemas and tables inside SQL text.

Values are always bound; only names chosen by the program come through here.
"""

import re

_PLAIN = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def quoted(name: str) -> str:
    """The name as an SQL identifier.

    Raises:
        ValueError: it is not a plain lower-case identifier.
    """
    if _PLAIN.fullmatch(name) is None:
        raise ValueError(f"not a plain lower-case SQL identifier: {name!r}")
    return f'"{name}"'


def channel(schema: str) -> str:
    """The NOTIFY channel on which the outbox of `schema` announces new rows."""
    quoted(schema)
    return f"{schema}_outbox"
