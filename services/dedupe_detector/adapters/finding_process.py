"""Finding pairs in a process of its own, so that a file is read and looked up on one core and judged on another."""

import contextlib
import gc
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from customer_identity.faults import IdentityFault
from customer_identity.matching.finding import Finder, Finding
from customer_identity.matching.index import Entry, ListedEntries
from customer_identity.normalise.record import NormalisedRecord
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.second_process import FORKED, wide_pipe
from event_runtime.faults import Fault


class FinderEnded(Fault):
    """The process that finds pairs ended by itself."""


class FindingProcess:
    """Runs a finder over batches elsewhere, and gives what it finds, in order. A context manager.

    To be entered before this process has threads or unwritten output: the other one begins as its copy.
    """

    def __init__(self, finder: Finder, batches: Iterator[Sequence[CustomerRecord]], *, tenant_id: str) -> None:
        """`batches` are read by the other process only."""
        self._finder = finder
        self._batches = batches
        self._tenant_id = tenant_id
        self._entries: list[Entry] = []

    def __enter__(self) -> Self:
        """Start it."""
        self._receiver, sender = wide_pipe()
        gc.freeze()  # what is here already stays for good, so its pages stay shared
        self._process = FORKED.Process(target=_find, args=(self._finder, self._batches, self._receiver, sender))
        self._process.daemon = True
        self._process.start()
        sender.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the pipe, which ends the other process, and waits for that."""
        self._receiver.close()
        self._process.join()

    def __iter__(self) -> Iterator[Finding]:
        """What is found, batch by batch. Raises what reading a batch raised, and FinderEnded."""
        while (told := self._received()) is not None:
            rows, others, found = told
            first = len(self._entries)
            self._entries += [
                Entry(
                    number=number,
                    tenant_id=self._tenant_id,
                    customer_id=customer_id,
                    version=version,
                    source=source,
                    record=NormalisedRecord._make(values),
                )
                for number, (customer_id, version, source, *values) in enumerate(rows, start=first)
            ]
            entries = self._entries[first:]
            known = [*entries, *map(self._entries.__getitem__, others)]
            yield Finding(entries, replace(found, entries=ListedEntries(known)))

    def _received(self) -> Any:
        try:
            told = pickle.loads(self._receiver.recv_bytes())  # noqa: S301 - from our own process
        except EOFError:
            raise FinderEnded("the process that reads the file ended by itself") from None
        if isinstance(told, Exception):
            raise told
        return told


def _find(
    finder: Finder, batches: Iterator[Sequence[CustomerRecord]], receiver: Connection, sender: Connection
) -> None:
    receiver.close()  # or this process would not notice that the other one is gone
    send: Callable[[object], None] = lambda told: sender.send_bytes(pickle.dumps(told, pickle.HIGHEST_PROTOCOL))  # noqa: E731
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        try:
            for batch in batches:
                send(_packed(finder.find(batch)))
        except (IdentityFault, Fault, OSError) as fault:
            send(fault)
        else:
            send(None)


def _packed(finding: Finding) -> tuple[list[tuple[object, ...]], list[int], object]:
    """The new records whole, all others by number: they have been told of before."""
    entries, found = finding
    rows: list[tuple[object, ...]] = [
        (entry.customer_id, entry.version, entry.source, *entry.record) for entry in entries
    ]
    others = found.entries.numbers[len(entries) :].tolist()
    return rows, others, replace(found, entries=ListedEntries([]))
