"""Signed records: who holds a private key vouches for the exact bytes of a record, and for nothing else.

The header `ce_signature` is a compact JWS (RFC 7515; algorithm Ed25519 as in RFC 9864), so that producers in any
language make it with the library they have. Its claims: `aud` (for whom), `tenant`, `exp` (Unix seconds), `jti` (the
record's ce_id) and `body_sha256` (of the record's value, base64url without padding). Its header: `alg` Ed25519, `kid`,
`typ` command+jwt.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from pydantic import Field, SecretStr

from event_runtime.cloudevents import MAX_HEADER_BYTES
from event_runtime.faults import Fault, SettingError
from event_runtime.settings import Section

SIGNATURE_HEADER: Final = "ce_signature"
DEFAULT_AUDIENCE: Final = "merge-worker"
DEFAULT_LIFETIME_S: Final = 86_400

_ALGORITHM: Final = "Ed25519"
_TYPE: Final = "command+jwt"
_PARTS: Final = 3

Audience = Annotated[str, Field(min_length=1, max_length=200)]


class AuthorityKind(StrEnum):
    """By what a reader of commands knows that one may be carried out."""

    TOPIC = "topic"
    APPROVAL = "approval"
    SIGNATURE = "signature"


class BadSignature(Fault):
    """There is a signature, and it does not vouch for the record. Says why, and never repeats what stands in it."""


class ExpiredSignature(BadSignature):
    """The signature was good once: the record came too late, or is handled again after a long time."""


class SigningSettings(Section):
    """With which key commands are signed."""

    key: SecretStr | None = Field(default=None, description="private Ed25519 key in PEM, without a password")
    key_id: str = Field(default="", max_length=200, description="by what name the worker knows the public key")
    audience: Audience = Field(default=DEFAULT_AUDIENCE, description="what MERGE_WORKER_SIGNATURE__AUDIENCE says")
    lifetime_s: Annotated[int, Field(ge=1)] = Field(
        default=DEFAULT_LIFETIME_S, description="seconds in which a command must reach the worker"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRecord:
    """What a signature is about: the tenant of the event, its CloudEvents id, and the exact bytes of its value."""

    tenant_id: str
    event_id: str
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs with one key, for one audience."""

    key: Ed25519PrivateKey = field(repr=False)
    key_id: str
    audience: str = DEFAULT_AUDIENCE
    lifetime: timedelta = timedelta(seconds=DEFAULT_LIFETIME_S)

    def sign(self, record: SignedRecord, now: datetime) -> str:
        """Return the value of the header."""
        head = {"alg": _ALGORITHM, "kid": self.key_id, "typ": _TYPE}
        claims = {
            "aud": self.audience,
            "tenant": record.tenant_id,
            "jti": record.event_id,
            "exp": int((now + self.lifetime).timestamp()),
            "body_sha256": _digest(record.body),
        }
        signed = f"{_packed(head)}.{_packed(claims)}"
        return f"{signed}.{_base64(self.key.sign(signed.encode()))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Knows public keys by their ids: several at once, so that one can follow another without a gap."""

    keys: Mapping[str, Ed25519PublicKey] = field(repr=False)
    audience: str = DEFAULT_AUDIENCE
    leeway: timedelta = timedelta(seconds=60)

    def check(self, signature: bytes, record: SignedRecord, now: datetime) -> str:
        """Return the id of the key that vouches for the record. Raises BadSignature, ExpiredSignature."""
        key_id, claims = self._opened(signature)
        expected = {
            "aud": (self.audience, "it is meant for another audience"),
            "tenant": (record.tenant_id, "it is meant for another tenant"),
            "jti": (record.event_id, "it is of another event"),
            "body_sha256": (_digest(record.body), "it is of other content"),
        }
        for claim, (value, reason) in expected.items():
            said = claims.get(claim)
            told = said.encode("utf-8", "surrogatepass") if isinstance(said, str) else b""
            if not hmac.compare_digest(told, value.encode()):
                raise BadSignature(reason)
        expiry = claims.get("exp")
        if type(expiry) is not int or expiry <= (now - self.leeway).timestamp():
            raise ExpiredSignature("it has expired")
        return key_id

    def _opened(self, signature: bytes) -> tuple[str, Mapping[str, Any]]:
        if len(signature) > MAX_HEADER_BYTES:
            raise BadSignature("it is too long")
        parts = signature.split(b".")
        if len(parts) != _PARTS:
            raise BadSignature("it is no compact JWS")
        head, claims = _unpacked(parts[0]), _unpacked(parts[1])
        if head.get("alg") != _ALGORITHM or head.get("typ") != _TYPE or "crit" in head:
            raise BadSignature(f"it is not of type {_TYPE} and algorithm {_ALGORITHM}")
        key_id = head.get("kid")
        key = self.keys.get(key_id) if isinstance(key_id, str) else None
        if key is None or not isinstance(key_id, str):
            raise BadSignature("its key is not known")
        try:
            key.verify(_bytes(parts[2]), parts[0] + b"." + parts[1])
        except InvalidSignature:
            raise BadSignature("it was not made with the key that it names") from None
        return key_id, claims


def private_key(pem: bytes) -> Ed25519PrivateKey:
    """Read a private key. Raises SettingError, which never repeats it."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a password
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError("no private Ed25519 key in PEM without a password")
    return key


def public_keys(folder: Path | None) -> dict[str, Ed25519PublicKey]:
    """Read the public keys KEY_ID.pem of a folder. Raises SettingError; also when there is none."""
    if folder is None:
        raise SettingError("is not set")
    try:
        files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
        keys = {file.stem: public_key(file) for file in files}
    except OSError as fault:
        raise SettingError(f"{folder} cannot be read: {fault.strerror}") from None
    if not keys:
        raise SettingError(f"{folder} is no folder with public keys, KEY_ID.pem each")
    return keys


def public_key(file: Path) -> Ed25519PublicKey:
    """Read a public key. Raises SettingError, OSError."""
    try:
        key = load_pem_public_key(file.read_bytes())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise SettingError(f"{file} is no public Ed25519 key in PEM")
    return key


def _digest(body: bytes) -> str:
    return _base64(hashlib.sha256(body).digest())


def _packed(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _unpacked(part: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise BadSignature("it is no compact JWS")
    return content


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(part: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        raise BadSignature("it is no compact JWS") from None
