"""The sub-commands that every service has: migrate, config show, quarantine list, show, replay and discard."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help answers at once

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from event_runtime.command_line import Arguments, Command, add_json, user_name

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from event_runtime.settings import ServiceSettings

_STATES = ("HELD", "ASKED", "REPLAYED", "DISCARDED")
_DEFAULT_LIMIT = 100


def shared_commands(load: "Callable[[], ServiceSettings]", *, package: str, schema: str) -> list[Command]:
    """The shared commands of the service whose settings `load` reads and whose migrations `package` has in `schema`."""
    quarantine = _QuarantineCommands(load, schema)
    return [
        Command(
            name="migrate",
            help="bring the database's schema up to date",
            arguments=add_json,
            run=lambda options: _migrate(options, load(), package, schema),
        ),
        Command(
            name="config show",
            help="print every setting, its value with secrets masked, and its origin",
            arguments=add_json,
            run=lambda options: _show_config(options, load()),
        ),
        *quarantine.commands(),
    ]


class _QuarantineCommands:
    def __init__(self, load: "Callable[[], ServiceSettings]", schema: str) -> None:
        self._load = load
        self._schema = schema

    def commands(self) -> list[Command]:
        return [
            Command(
                name="quarantine list",
                help="records that could not be processed",
                arguments=_list_arguments,
                run=self._list,
            ),
            Command(name="quarantine show", help="one record", arguments=_show_arguments, run=self._show),
            Command(
                name="quarantine replay",
                help="have the running service process records again",
                arguments=_resolve_arguments,
                run=self._replay,
            ),
            Command(
                name="quarantine discard",
                help="give records up; who did it stays on record",
                arguments=_resolve_arguments,
                run=self._discard,
            ),
        ]

    def _list(self, options: Arguments) -> None:
        from event_runtime.output import show_rows
        from event_runtime.quarantine import Quarantine

        with self._connected() as connection:
            held = Quarantine(self._schema).list(connection, state=options.state, limit=options.limit)
        show_rows([_fields(record) for record in held], as_json=options.json)

    def _show(self, options: Arguments) -> None:
        from event_runtime.output import show_rows
        from event_runtime.quarantine import Quarantine

        with self._connected() as connection:
            fields = _fields(Quarantine(self._schema).show(connection, options.id))
        rows = [fields] if options.json else [{"field": name, "value": value} for name, value in fields.items()]
        show_rows(rows, as_json=options.json)

    def _replay(self, options: Arguments) -> None:
        from event_runtime.quarantine import Quarantine

        with self._connected() as connection:  # all of them or none
            for held_id in options.id:
                Quarantine(self._schema).ask_replay(connection, held_id, by=options.by)
        _write(f"{len(options.id)} to be replayed by the running service")

    def _discard(self, options: Arguments) -> None:
        from event_runtime.quarantine import Quarantine

        with self._connected() as connection:
            for held_id in options.id:
                Quarantine(self._schema).discard(connection, held_id, by=options.by)
        _write(f"{len(options.id)} discarded")

    @contextmanager
    def _connected(self) -> "Iterator[Connection]":
        from event_runtime.database import create_engine

        engine = create_engine(self._load().database_url(), application_name="customer-merge quarantine", pool_size=1)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()


def _migrate(options: Arguments, settings: "ServiceSettings", package: str, schema: str) -> None:
    from event_runtime.migrate import upgrade

    revision = upgrade(settings.database_url(), package=package, schema=schema)
    if options.json:
        _write(json.dumps({"schema": schema, "revision": revision}))
    else:
        _write(f"schema {schema} is at {revision}")


def _show_config(options: Arguments, settings: "ServiceSettings") -> None:
    from event_runtime.output import show_rows

    lines = [{"setting": each.name, "value": each.value, "origin": each.origin} for each in settings.origin()]
    show_rows(lines, as_json=options.json)


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=_STATES, help="only records in this state")
    parser.add_argument("--limit", type=int, default=_DEFAULT_LIMIT, help="at most so many (default %(default)s)")
    add_json(parser)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=int)
    add_json(parser)


def _resolve_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", type=int, nargs="+")
    parser.add_argument("--by", default=user_name(), help="who decides (default: %(default)s)")


def _fields(record: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(record)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
