"""The root of all exceptions of the runtime, and what may be said aloud about anybody's exception."""


class Fault(Exception):  # noqa: N818 - the field's word; a refusal is a value, a fault is an exception
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        """With `message`, else with the first line of the class's docstring."""
        super().__init__(message or (type(self).__doc__ or "").strip().partition("\n")[0])


class SettingError(Fault):
    """A setting is wrong."""


class ServerUnavailable(Fault):
    """A server that is needed cannot be started or reached."""


def describe(fault: BaseException) -> str:
    """What logs, /readyz and the command line may say of a fault: one line without anybody's data.

    Our own message; of a database error class and SQLSTATE, as its text quotes rows, but the client library's text when
    there is no connection; Kafka's and the operating system's texts; of anything else the class alone.
    """
    if isinstance(fault, Fault):
        return str(fault)
    original = getattr(fault, "orig", None) or fault  # SQLAlchemy wraps the driver's
    kind, module = type(original).__name__, type(original).__module__
    if isinstance(code := getattr(original, "sqlstate", None), str):
        return f"{kind} ({code})"
    if kind == "OperationalError" and module.startswith("psycopg"):
        return _first_line(f"no connection to PostgreSQL: {original}")
    if kind == "KafkaException" and original.args and hasattr(original.args[0], "str"):
        return _first_line(f"Kafka: {original.args[0].name()}: {original.args[0].str()}")
    if isinstance(original, OSError) and original.strerror:
        return f"{original.strerror}: {original.filename}" if original.filename else original.strerror
    return kind


def is_no_connection(fault: BaseException) -> bool:
    """Whether PostgreSQL or Kafka could not be reached, or let nobody in: nothing was asked of it yet."""
    original = getattr(fault, "orig", None) or fault
    kind, module = type(original).__name__, type(original).__module__
    if kind == "KafkaException" and original.args and hasattr(original.args[0], "name"):
        return original.args[0].name() in _KAFKA_UNREACHABLE
    return kind == "OperationalError" and module.startswith("psycopg") and getattr(original, "sqlstate", None) is None


_KAFKA_UNREACHABLE = {"_TRANSPORT", "_ALL_BROKERS_DOWN", "_RESOLVE", "_TIMED_OUT", "_AUTHENTICATION", "_SSL"}


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
