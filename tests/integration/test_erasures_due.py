"""Which erasures are tried again: whoever waits for a person alone holds up nobody else."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from merge_worker.adapters.erasures import Erasures
from rig.fixtures import Connected

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(connected: Connected) -> Engine:
    return connected("merge_worker")


def test_confirmed_erasures_come_first_and_undecided_ones_not_before_something_happens(database: Engine) -> None:
    erasures, merge_id = Erasures(), "01a20599-eb94-71ab-9c09-6b03659a6461"
    with database.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO merge.merges (merge_id, tenant_id, command_id, winner_id, actor, reason, policy_version, "
            f"merged_at, undoable_until) VALUES ('{merge_id}', 't', 'c', 'w', 'policy:p', 'r', 'p/1', now(), now() + "
            "interval '1 day')"
        )
        names = [f"undecided-{number:03}" for number in range(150)]
        asked = [("t", name, 1, None, AT) for name in (*names, "moving", "confirmed", "new")]
        assert len(erasures.ask(connection, asked, AT)) == 153
        for name in (*names, "moving", "confirmed"):
            found = erasures.of(connection, "t", name)
            assert found is not None
            reason = "ROWS_MOVING" if name == "moving" else "AUTOMATIC_MERGE"
            erasures.wait(connection, found, waiting_for=[reason], merge_ids=[merge_id], member_ids=["a"])
        assert erasures.undecided(connection) == 151
        assert erasures.decide(connection, "t", "confirmed", confirmed=True, by="ann")
        assert erasures.due(connection) == [("t", "confirmed"), ("t", "moving"), ("t", "new")]
        connection.exec_driver_sql("UPDATE merge.merges SET state = 'UNMERGED'")
        assert len(erasures.due(connection)) == 153
