"""What counts as an id of a column of type uuid."""

import uuid

import pytest

from event_runtime.identifiers import uuid_of

ID = "01a20609-09f8-7607-9854-10581f19cc8e"


def test_an_id_is_read_in_either_case() -> None:
    assert uuid_of(ID) == uuid_of(ID.upper()) == ID
    made = str(uuid.uuid4())
    assert uuid_of(made) == made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no-such-id",
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f" {ID}",
        f"{ID}\n",
        ID.replace("1", "\uff11"),
    ],
    ids=ascii,
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert uuid_of(text) is None
