"""Taking records in, here or in a process of its own, so that one core takes in while another one looks up."""

import contextlib
import gc
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Protocol, Self

from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.second_process import FORKED, has_cores_for_two, wide_pipe
from event_runtime.faults import Fault

Store = Callable[[Sequence[CustomerRecord]], None]


class StorerEnded(Fault):
    """The process that takes records in ended by itself."""


class Storer(Protocol):
    """Takes records in, in the order in which they are given."""

    def begin(self, customers: Sequence[CustomerRecord]) -> None:
        """Have these taken in."""

    def done(self) -> None:
        """Wait until those are that were given first and not waited for yet. Raises what taking them in raised."""


def storer(store: Store) -> AbstractContextManager[Storer]:
    """Runs `store` in another process where there is a core for it.

    To be entered before this process has threads or open connections: the other one begins as its copy.
    """
    return StoringProcess(store) if has_cores_for_two() else nullcontext(_StoringHere(store))


class StoringProcess:
    """Has records stored elsewhere while this process goes on. A context manager.

    The other process ends with this one, however that ends. What it has in hand then is stored or not, and stored again
    by whoever goes on.
    """

    def __init__(self, store: Store) -> None:
        """`store` is called there only."""
        self._store = store

    def __enter__(self) -> Self:
        """Start it."""
        given, self._records = wide_pipe()
        self._answers, answer = FORKED.Pipe(duplex=False)
        gc.freeze()  # what is here already stays for good, so its pages stay shared
        ours = (self._records, self._answers)
        self._process = FORKED.Process(target=_serve, args=(self._store, given, answer, ours, os.getpid()), daemon=True)
        self._process.start()
        given.close()
        answer.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the pipes, which ends the other process, and waits for that."""
        self._records.close()
        self._answers.close()
        self._process.join()

    def begin(self, customers: Sequence[CustomerRecord]) -> None:
        """See Storer."""
        try:
            self._records.send(customers)
        except ConnectionError:
            raise StorerEnded from None

    def done(self) -> None:
        """See Storer."""
        try:
            fault = self._answers.recv()
        except (EOFError, ConnectionError):
            raise StorerEnded from None
        if fault is not None:
            raise fault


class _StoringHere:
    """Stores records at once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, customers: Sequence[CustomerRecord]) -> None:
        self._store(customers)

    def done(self) -> None:
        """Nothing to wait for."""


def _serve(store: Store, given: Connection, answer: Connection, theirs: Sequence[Connection], parent: int) -> None:
    for pipe in theirs:
        pipe.close()  # or this process would not notice that the other one is gone
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        while True:
            customers = given.recv()
            if os.getppid() != parent:  # more may wait in the pipe
                return
            try:
                store(customers)
            except Exception as fault:  # noqa: BLE001 - it is raised where the records come from
                answer.send(fault)
            else:
                answer.send(None)
