"""How what the command line publishes is vouched for: signed with a key, or approved in the database."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from event_runtime.faults import SettingError
from event_runtime.signatures import Signer, private_key
from merge_worker.settings import SignatureSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouching:
    """`key` is the file of a private key; its name without .pem is the key's id, unless `key_id` says otherwise."""

    key: Path | None = None
    key_id: str | None = None
    approve_by: str | None = None

    def signer(self, settings: SignatureSettings) -> Signer | None:
        """Return what signs; None when there is no key. Raises SettingError when it cannot be used."""
        if self.key is None:
            return None
        try:
            key = private_key(self.key.read_bytes())
        except OSError as fault:
            raise SettingError(f"--sign-key {self.key}: {fault.strerror}") from None
        except SettingError as fault:
            raise SettingError(f"--sign-key {self.key}: {fault}") from None
        return Signer(
            key=key,
            key_id=self.key_id or self.key.stem,
            audience=settings.audience,
            lifetime=timedelta(seconds=settings.lifetime_s),
        )
