"""Records that are a transaction of their own: in their order, whatever else their batch holds."""

from collections.abc import Sequence

from sqlalchemy import Connection

from customer_events import ConvertCustomer
from event_runtime.drafts import Draft
from event_runtime.pipeline import BatchPolicy
from event_runtime.records import Received
from rig.fixtures import MakeTopics
from rig.processes import eventually
from rig.runtime import command, erased, make_runtime, produce, running


class _Lonely:
    """A handler that locks for a conversion what no other record may wait for."""

    alone = frozenset({ConvertCustomer.__name__})

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []

    def handle(self, _connection: Connection, received: Sequence[Received]) -> Sequence[Draft]:
        self.transactions.append([type(each.event).__name__ for each in received])
        return []


def test_a_record_that_locks_for_itself_shares_its_transaction_with_no_other(
    kafka: str, database_url: str, topic_prefix: str, make_topics: MakeTopics
) -> None:
    make_topics({"merge-command": 1, "customer-merged": 1, "merge-outcome": 1})
    runtime = make_runtime(database_url, topic_prefix)
    events = [erased(0), erased(1), command(2), command(3), erased(4), erased(5), command(6)]
    produce(kafka, runtime.topics["merge-command"], [runtime.codec.encode(event) for event in events], partition=0)
    handler = _Lonely()
    policy = BatchPolicy(max_records=len(events), linger_ms=2_000)
    with running(runtime.pipeline(kafka, {"merge-command": handler}, batch=policy)):
        eventually(lambda: runtime.query("SELECT next_offset FROM {s}.positions") == [(len(events),)], 60)
    erasure, conversion = "IdentityErased", "ConvertCustomer"
    assert handler.transactions == [[erasure] * 2, [conversion], [conversion], [erasure] * 2, [conversion]]
    assert runtime.scalar("SELECT count(*) FROM {s}.quarantine") == 0
    runtime.engine.dispose()
