"""Ids that are no keys of the adopter's table: whoever asks for whatever is told that there is no such customer."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from customer_identity.merging import Deferred, Refused
from merge_engine import SearchCriteria
from rig.people_world import LEDGER, ORG, POINTS, TAGS, engine_of, order, people, people_engine, undone

LOOK_ALIKES = ("2.0", "02", "+2", " 2", "2 ", "\u0662", "\uff12", "9223372036854775808", "9" * 200, "2x", "'; --")


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[Engine]:
    yield from people_engine()


@pytest.mark.parametrize("id_", LOOK_ALIKES)
def test_a_look_alike_of_a_key_is_nobody_for_previews_merges_and_reads(database: Engine, id_: str) -> None:
    engine = engine_of(LEDGER, POINTS, TAGS)
    with undone(database) as connection:
        people(connection, 1, 2, 3)
        as_loser, as_winner = order(1, id_), order(id_, 2)  # type: ignore[arg-type]  # no number is what is tested
        for asked in (as_loser, as_winner):
            preview = engine.preview(connection, asked)
            assert not preview.eligible
            assert {failure.rule for failure in preview.failures} == {"CUSTOMER_NOT_FOUND"}
            (result,) = engine.merge(connection, [asked])
            assert isinstance(result, Deferred | Refused)
            assert {error.rule for error in result.errors} == {"CUSTOMER_NOT_FOUND"}
        helped = order(1, 2, facilitator_id=id_)
        assert {failure.rule for failure in engine.preview(connection, helped).failures} == {"FACILITATOR_INVALID"}
        assert engine.records(connection, ORG, [id_]) == {}
        assert engine.account(connection, ORG, id_) is None
        assert engine.standing(connection, ORG, id_) == ()
        assert engine.search(connection, ORG, SearchCriteria(customer_id=id_)) == []
