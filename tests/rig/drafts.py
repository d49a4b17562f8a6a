"""What a test reads of drafts."""

from event_runtime.drafts import Draft


def body_of(draft: Draft) -> bytes:
    """The body of a draft that is whole: no tombstone, and naming the place of no other event."""
    assert isinstance(draft.body, bytes)
    return draft.body
