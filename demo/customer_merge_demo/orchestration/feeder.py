"""Feeds the store, and waits while the readers are behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from customer_merge_demo.customers import Customer
from customer_merge_demo.store.storefront import CHUNK_CUSTOMERS, Storefront

# The embedded bus keeps about 5 MB a partition: what nobody has read by then is gone.
MAXIMUM_LAG = 2_000
_LOOK_AGAIN_S = 0.1


class Feeder:
    """A thread that takes customers into the store, a chunk at a time."""

    def __init__(self, storefront: Storefront, customers: Sequence[Customer], lag: Callable[[], int]) -> None:
        """`lag` tells how many records the slowest reader is behind."""
        self._storefront = storefront
        self._customers = customers
        self._lag = lag
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)
        self._fault: BaseException | None = None
        self.fed = 0
        self.total = len(customers)

    def start(self) -> None:
        """Begin to feed."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the chunk in hand."""
        self._stop.set()
        self._thread.join()

    @property
    def has_begun(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    @property
    def is_done(self) -> bool:
        """Whether every customer is in; raises what stopped the thread, if anything did."""
        if self._fault is not None:
            raise self._fault
        return self.fed == self.total

    def _run(self) -> None:
        try:
            for start in range(0, len(self._customers), CHUNK_CUSTOMERS):
                while not self._stop.is_set() and self._lag() > MAXIMUM_LAG:
                    self._stop.wait(_LOOK_AGAIN_S)
                if self._stop.is_set():
                    return
                chunk = self._customers[start : start + CHUNK_CUSTOMERS]
                self._storefront.take_in(chunk)
                self.fed += len(chunk)
        except BaseException as fault:  # noqa: BLE001 - handed to the main thread, which raises it
            self._fault = fault
