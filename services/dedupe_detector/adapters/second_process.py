"""A second process on a second core, that begins as a copy of this one."""

import contextlib
import fcntl
import multiprocessing
import os
import sys
from multiprocessing.connection import Connection
from typing import Final

FORKED: Final = multiprocessing.get_context("fork")
_PIPE_BYTES: Final = 1 << 20  # some batches may wait for the other process: not all take it equally long


def has_cores_for_two() -> bool:
    """Whether a second process would have a core, and can begin as a copy of this one."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1


def wide_pipe() -> tuple[Connection, Connection]:
    """Where to receive, and where to send: a pipe that holds some batches."""
    receiver, sender = FORKED.Pipe(duplex=False)
    with contextlib.suppress(OSError):  # a smaller pipe does, too
        fcntl.fcntl(sender.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return receiver, sender
