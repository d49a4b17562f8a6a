"""What other programs may rely on in SQL: the state of a customer, old ids that resolve, one row a person."""

import uuid

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from customer_identity.merging import Merged
from merge_engine import MergeEngine
from rig.customer_rows import TENANT, customer, order, rows


@pytest.fixture
def merges() -> MergeEngine:
    return MergeEngine.load("default")


def _merge(connection: Connection, merges: MergeEngine, winner_id: str, *loser_ids: str) -> Merged:
    (result,) = merges.merge(connection, [order(winner_id, *loser_ids)])
    assert isinstance(result, Merged)
    return result


def test_a_chain_resolves_in_one_step_and_each_id_says_what_became_of_it(database: Engine, merges: MergeEngine) -> None:
    with database.begin() as connection:
        for customer_id in "abcd":
            customer(connection, customer_id)
        first = _merge(connection, merges, "b", "a")
        second = _merge(connection, merges, "c", "b")
        assert rows(
            connection,
            "SELECT customer_id, state, canonical_id, merge_id::text, merged_accounts, merge.canonical_id(tenant_id,"
            " customer_id) FROM merge.customer_state ORDER BY 1",
        ) == [
            ("a", "merged", "c", first.merge_id, 0, "c"),
            ("b", "merged", "c", second.merge_id, 0, "c"),
            ("c", "active", "c", None, 2, "c"),
        ]
        assert rows(connection, f"SELECT merge.canonical_id('{TENANT}', 'd'), merge.canonical_id('other', 'a')") == [
            ("d", "a")
        ]


def test_the_view_of_canonical_customers_has_each_person_once(database: Engine, merges: MergeEngine) -> None:
    with database.begin() as connection:
        for customer_id in "abc":
            customer(connection, customer_id)
        customer(connection, "a", tenant_id="other")
        _merge(connection, merges, "b", "a")
        connection.exec_driver_sql(merges.canonical_view("merge.canonical_customers").replace("%", "%%"))
        assert rows(connection, "SELECT tenant_id, customer_id FROM merge.canonical_customers ORDER BY 1, 2") == [
            (TENANT, "b"),
            (TENANT, "c"),
            ("other", "a"),
        ]


def test_a_program_needs_no_more_than_the_view_and_the_function(database: Engine, merges: MergeEngine) -> None:
    role = f"billing_{uuid.uuid4().hex[:10]}"
    with database.begin() as connection:
        for customer_id in "ab":
            customer(connection, customer_id)
        _merge(connection, merges, "a", "b")
        connection.execute(text(f"CREATE ROLE {role}"))
        for grant in (
            "USAGE ON SCHEMA merge",
            "SELECT ON merge.customer_state",
            "EXECUTE ON FUNCTION merge.canonical_id(text, text)",
        ):
            connection.execute(text(f"GRANT {grant} TO {role}"))
    try:
        with database.begin() as connection:
            connection.execute(text(f"SET LOCAL ROLE {role}"))
            assert rows(connection, "SELECT count(*) FROM merge.customer_state") == [(2,)]
            assert rows(connection, f"SELECT merge.canonical_id('{TENANT}', 'b')") == [("a",)]
            with pytest.raises(ProgrammingError, match="permission denied"), connection.begin_nested():
                rows(connection, "SELECT * FROM merge.journal")
    finally:
        with database.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))


def test_looking_one_customer_up_reads_no_table_as_a_whole(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO merge.canonical (tenant_id, customer_id, canonical_id, direct_to, version, merge_id,"
                " changed_at) SELECT 't', 'l' || n, 'w' || n, 'w' || n, 1, gen_random_uuid(), now()"
                " FROM generate_series(1, 20000) AS n"
            )
        )
        connection.execute(text("ANALYZE merge.canonical"))
        plan = rows(
            connection,
            "EXPLAIN SELECT * FROM merge.customer_state WHERE tenant_id = 't' AND customer_id = 'l7'",
        )
    assert not [line for (line,) in plan if "Seq Scan on canonical" in str(line)], plan
