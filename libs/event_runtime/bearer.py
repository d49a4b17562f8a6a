"""Who may ask over HTTP: whoever holds a bearer token (RFC 6750)."""

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from event_runtime.http_endpoints import HttpAnswer

_SCHEME = "bearer"


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerGuard:
    """Lets those through who name one of the tokens: several, so that one can follow another. Without any: nobody.

    `tokens` says for each what the rest of a path must begin with, one of these; None: it is good for everything.
    """

    tokens: Mapping[str, frozenset[str] | None] = field(repr=False)
    realm: str

    def __call__(self, authorization: str | None, path: tuple[str, ...]) -> HttpAnswer | None:
        """What is said to a request with this Authorization header; None: it may go on."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != _SCHEME:
            return self._refused("", "a bearer token is needed")
        given = _digest(token.strip())
        # As digests, in constant time: how long it takes tells nothing about a token.
        named = [good_for for known, good_for in self.tokens.items() if hmac.compare_digest(given, _digest(known))]
        if not named:
            return self._refused(', error="invalid_token"', "the bearer token is not known")
        if any(good_for is None or (path[:1] and path[0] in good_for) for good_for in named):
            return None
        # The same answer whether or not there is anything: who may not ask learns nothing.
        reason = "the bearer token is not good for this"
        return self._refused(', error="insufficient_scope"', reason, status=HTTPStatus.FORBIDDEN)

    def _refused(self, more: str, reason: str, *, status: HTTPStatus = HTTPStatus.UNAUTHORIZED) -> HttpAnswer:
        challenge = f'Bearer realm="{self.realm}"{more}'
        return HttpAnswer(status=status, body={"error": reason}, headers={"WWW-Authenticate": challenge})


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
