"""The scheduler on a real database: what fails among the commands that are due holds up nobody else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from sqlalchemy import Engine, text

import customer_events as wire
from event_runtime.database import create_engine
from event_runtime.inbox import Inbox
from event_runtime.logs import explain_exception
from merge_worker.adapters.requests import Request, Requests
from merge_worker.app import App
from merge_worker.settings import MergeWorkerSettings
from rig.merge_world import merge

PAST = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def database(migrated: Callable[..., str]) -> str:
    # structlog's own default renders every fault with its locals, for longer than a transaction may idle
    structlog.configure(
        processors=[structlog.processors.add_log_level, explain_exception, structlog.processors.KeyValueRenderer()]
    )
    return migrated("merge_worker", "customer_merge_demo.store")


def test_one_round_deals_with_everything_that_is_due_although_some_of_it_fails(database: str) -> None:
    engine = create_engine(database)
    names = [f"c{number}" for number in range(6)]
    bad = {"c0", "c3"}
    with engine.begin() as connection:
        for name in names:
            for side in "ab":
                connection.execute(_CUSTOMER, {"id": f"{name}{side}"})
        for name in bad:  # a rule of the database that no plan knows of
            connection.execute(_ORDER, {"id": f"{name}b"})
        connection.execute(text("ALTER TABLE store.orders ADD CHECK (right(customer_id, 1) <> 'a')"))
        Inbox("merge").claim(connection, [("shop", name, b"digest") for name in names])
        Requests().save(connection, [_waiting(name, due=PAST + timedelta(minutes=n)) for n, name in enumerate(names)])

    app = App(MergeWorkerSettings(database={"url": database}))
    replace(app.use_cases.retry_deferred, batch=4).work()

    assert _statuses(engine) == {name: "rejected" if name in bad else "merged" for name in names}
    app.database.dispose()
    engine.dispose()


TOO_SLOW = {
    "its statement is cancelled": "RAISE EXCEPTION USING ERRCODE = 'query_canceled'",
    # The server ends the connection with the transaction. A timer that runs is set again when it was switched off.
    "its transaction is ended": "PERFORM set_config('transaction_timeout', '0', true),"
    " set_config('transaction_timeout', '50', true); PERFORM pg_sleep(5)",
}


@pytest.mark.parametrize("why", TOO_SLOW)
def test_what_takes_longer_than_a_transaction_may_is_tried_once_more_and_then_ends(database: str, why: str) -> None:
    engine = create_engine(database)
    names = ["c0", "c1"]
    with engine.begin() as connection:
        version = connection.execute(text("SELECT current_setting('server_version_num')::int")).scalar_one()
        if version < 170000 and "ended" in why:
            return  # a server that knows no limit of a transaction
        for name in names:
            for side in "ab":
                connection.execute(_CUSTOMER, {"id": f"{name}{side}"})
        connection.exec_driver_sql(
            "CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF OLD.customer_id = 'c0b' THEN {TOO_SLOW[why]}; END IF; RETURN NEW; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER be_slow BEFORE UPDATE ON store.customers FOR EACH ROW EXECUTE FUNCTION be_slow()"
        )
        Inbox("merge").claim(connection, [("shop", name, b"digest") for name in names])
        Requests().save(connection, [_waiting(name, due=PAST) for name in names])

    app = App(MergeWorkerSettings(database={"url": database}))
    app.use_cases.retry_deferred.work()
    assert _statuses(engine) == {"c0": "deferred", "c1": "merged"}
    with engine.begin() as connection:
        told = connection.execute(text("SELECT waiting_for FROM merge.requests WHERE command_id = 'c0'")).scalar_one()
        assert told == ["TOO_LARGE"]
        connection.execute(text("UPDATE merge.requests SET next_attempt_at = now() WHERE command_id = 'c0'"))
    app.use_cases.retry_deferred.work()
    assert _statuses(engine) == {"c0": "rejected", "c1": "merged"}
    app.database.dispose()
    engine.dispose()


def _waiting(command_id: str, *, due: datetime) -> Request:
    command = merge(command_id, f"{command_id}a", f"{command_id}b", on_ineligible=wire.OnIneligible.WAIT)
    return Request(
        tenant_id="shop",
        request_id=f"00000000-0000-0000-0000-0000000000{ord(command_id[-1]):02x}",
        command_id=command_id,
        command_type="MergeCustomers",
        command=command.model_dump_json(),
        status="deferred",
        customer_ids=(f"{command_id}a", f"{command_id}b"),
        requested_by="ann",
        next_attempt_at=due,
        created_at=PAST,
        updated_at=PAST,
    )


def _statuses(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT command_id, status FROM merge.requests"))
        return {row.command_id: row.status for row in rows}


_CUSTOMER = text("INSERT INTO store.customers (tenant_id, customer_id, full_name) VALUES ('shop', :id, 'Name')")
_ORDER = text(
    "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
    " VALUES ('shop', :id, :id, 'OPEN', 100)"
)
