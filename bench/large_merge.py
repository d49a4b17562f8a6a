"""What `large` measures: small merges due one after the other, a large merge beside them, and the customers of that."""

from dataclasses import dataclass

import psycopg

SMALL_A_SECOND = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """So many small merges from number `first` on, due one after the other from `start_s` on."""

    first: int
    count: int
    start_s: float

    def due_s(self, pair: int) -> float:
        """When a command was due."""
        return self.start_s + (pair - self.first) / SMALL_A_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeMerge:
    """When a large merge, or its undo, was asked for, when its rows began to move, and when its end was readable.

    A merge begins with CustomerMerged and ends with RowsMoved; an undo ends with CustomerUnmerged.
    """

    asked_s: float
    began_s: float
    ended_s: float
    kills: int

    @property
    def seconds(self) -> float:
        """From the first row to the last."""
        return self.ended_s - self.began_s

    @property
    def flip_ms(self) -> float:
        """From the command to CustomerMerged."""
        return (self.began_s - self.asked_s) * 1_000


def seed_large(database: str, names: list[str], rows: int) -> None:
    """Make customers w-NAME and l-NAME; the latter has so many orders."""
    with psycopg.connect(database, autocommit=True) as connection:
        for name in names:
            connection.execute(
                "INSERT INTO store.customers (tenant_id, customer_id, full_name)"
                " SELECT 'bench', side || %s, 'Ada Lovelace' FROM unnest(ARRAY['w-', 'l-']) AS side",
                (name,),
            )
            connection.execute(
                "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
                " SELECT 'bench', 'l-' || %s, n::text, 'PAID', 1000 FROM generate_series(1, %s) AS n",
                (name, rows),
            )
        connection.execute("VACUUM ANALYZE")
