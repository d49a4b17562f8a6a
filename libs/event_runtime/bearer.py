"""Who may ask over HTTP: whoever holds a bearer token (RFC 6750)."""

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass, field
from http import HTTPStatus

from event_runtime.http_endpoints import HttpAnswer

_SCHEME = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerGuard:
    """Lets those through who name one of the tokens: several, so that one can follow another. Without any: nobody."""

    tokens: tuple[str, ...] = field(repr=False)
    realm: str

    def __call__(self, authorization: str | None) -> HttpAnswer | None:
        """What is said to a request with this Authorization header; None: it may go on."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != _SCHEME:
            return self._refused("", "a bearer token is needed")
        given = _digest(token.strip())
        # As digests, in constant time: how long it takes tells nothing about a token.
        if not any(hmac.compare_digest(given, _digest(known)) for known in self.tokens):
            return self._refused(', error="invalid_token"', "the bearer token is not known")
        return None

    def _refused(self, more: str, reason: str) -> HttpAnswer:
        challenge = f'Bearer realm="{self.realm}"{more}'
        return HttpAnswer(
            status=HTTPStatus.UNAUTHORIZED, body={"error": reason}, headers={"WWW-Authenticate": challenge}
        )


def is_loopback(host: str) -> bool:
    """Whether only programs of the same machine reach what listens on this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
