"""Customers with very many rows, and a mover in small: what the worker's loop does, one transaction after the other."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, text

import merge_engine
from customer_identity.merging import Refused, Unmerged
from merge_engine import Lease, MergeEngine, ReturnStep, Step
from rig.customer_rows import TENANT

LASTS = timedelta(minutes=1)


def engine_with(directory: Path, **keys: int) -> MergeEngine:
    """The default plan with other keys, such as `inline_rows`."""
    default = Path(merge_engine.__file__).parent / "plans" / "default.yaml"
    plan = directory / "plan.yaml"
    plan.write_text("".join(f"{key}: {value}\n" for key, value in keys.items()) + default.read_text("utf-8"), "utf-8")
    return MergeEngine.load(plan)


def many_orders(connection: Connection, customer_id: str, count: int, tenant_id: str = TENANT) -> None:
    """Insert so many orders of a customer."""
    connection.execute(
        text(
            "INSERT INTO store.orders (tenant_id, customer_id, order_number, status, total_cents)"
            " SELECT :tenant_id, :customer_id, :customer_id || '-' || gen_random_uuid(), 'PAID', 100"
            " FROM generate_series(1, :count)"
        ),
        {"tenant_id": tenant_id, "customer_id": customer_id, "count": count},
    )


class Mover:
    """Moves the rows of one large merge; each method is one committed transaction."""

    def __init__(self, engine: MergeEngine, database: Engine, *, chunk_rows: int, lasts: timedelta = LASTS) -> None:
        self.large, self._database, self._chunk_rows = engine.large, database, chunk_rows
        with database.begin() as connection:
            claimed = self.large.claim(connection, "test", lasts)
        assert claimed is not None
        self.lease: Lease = claimed

    def list_rows(self) -> Step:
        with self._database.begin() as connection:
            return self.large.list_rows(connection, self.lease, chunk_rows=self._chunk_rows)

    def chunk(self) -> Step:
        with self._database.begin() as connection:
            return self.large.move_chunk(connection, self.lease, notice_every=timedelta(0))

    def finish(self) -> Step | None:
        with self._database.begin() as connection:
            return self.large.finish(connection, self.lease, chunk_rows=self._chunk_rows)

    def to_the_end(self) -> Step:
        """Go on from wherever the merge is."""
        while True:
            step = self.chunk()
            if step.chunk:
                continue
            done = self.finish() if step.merge.listed else None
            if done is not None:
                return done
            self.list_rows()


class Returner:
    """Brings the rows of one large merge back; each method is one committed transaction."""

    def __init__(self, engine: MergeEngine, database: Engine, *, lasts: timedelta = LASTS) -> None:
        self.unmerges, self._database = engine.unmerges, database
        with database.begin() as connection:
            claimed = self.unmerges.claim(connection, "test", lasts)
        assert claimed is not None
        self.lease: Lease = claimed

    def chunk(self) -> ReturnStep:
        with self._database.begin() as connection:
            return self.unmerges.move_chunk(connection, self.lease, notice_every=timedelta(0))

    def finish(self) -> Unmerged | Refused | None:
        with self._database.begin() as connection:
            return self.unmerges.finish(connection, self.lease)

    def to_the_end(self) -> Unmerged | Refused:
        """Go on from wherever it is."""
        while True:
            if not self.chunk().line:
                result = self.finish()
                if result is not None:
                    return result
