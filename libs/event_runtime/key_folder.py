"""Public keys in a folder, read again when a file there changes: a key follows another without a restart."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from event_runtime import logs
from event_runtime.faults import SettingError
from event_runtime.signatures import public_key, public_keys

_Stamps = tuple[tuple[str, int, int, int], ...]

_log = logs.get_logger(__name__)


class KeyFolder(Mapping[str, Ed25519PublicKey]):
    """The keys by their ids, as the folder had them when it was last looked at.

    A key whose file is gone is gone. A file that holds no key at the moment (it may be half written) leaves its key as
    it was, and a folder that cannot be read all of them; both are told in the log.
    """

    def __init__(self, folder: Path | None) -> None:
        """Read the folder. Raises SettingError; also when it holds none, or a file that is no key."""
        self._folder = folder
        self._stamps = None if folder is None else _stamps(folder)
        self._keys = public_keys(folder)

    def __getitem__(self, key_id: str) -> Ed25519PublicKey:
        """The key of that id."""
        return self._keys[key_id]

    def __iter__(self) -> Iterator[str]:
        """The ids."""
        return iter(self._keys)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._keys)

    def look_again(self) -> None:
        """Read what has changed since the last look; costs a look at the folder's files where nothing did."""
        if self._folder is None:
            return
        stamps = _stamps(self._folder)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        if not stamps:
            _log.error("signature_keys_kept: the folder holds none, or cannot be read")
            return
        self._keys = {key_id: key for name, *_ in stamps if (key := self._read(key_id := Path(name).stem)) is not None}
        _log.info("signature_keys_read", key_ids=" ".join(sorted(self._keys)))

    def _read(self, key_id: str) -> Ed25519PublicKey | None:
        try:
            return public_key((self._folder or Path()) / f"{key_id}.pem")
        except (OSError, SettingError):
            _log.error("signature_key_kept: its file holds no public Ed25519 key", key_id=key_id)
            return self._keys.get(key_id)


def _stamps(folder: Path) -> _Stamps | None:
    """What tells whether a file changed: its name, time, size and place; None when the folder cannot be read."""
    try:
        files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        found = [(file.name, file.stat()) for file in files]
    except OSError:
        return None
    return tuple((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in found)
