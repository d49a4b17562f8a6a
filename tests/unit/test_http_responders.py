"""What a service answers over HTTP beside its own health."""

import http.client
import json
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from prometheus_client import CollectorRegistry

from event_runtime.bearer import BearerGuard, is_loopback
from event_runtime.health import Health
from event_runtime.http_endpoints import HttpAnswer, HttpEndpoints
from event_runtime.settings import HttpSettings

OLD, NEW, SHOP = "the-token-of-yesterday", "the-token-of-today", "the-token-of-one-shop"


class Unwell(Exception):  # noqa: N818 - what a driver might raise
    """Says whose data it was about."""


def _shelf(path: tuple[str, ...]) -> HttpAnswer | None:
    match path:
        case ("broken",):
            raise Unwell("the row of Ada Quimby")
        case ("old name",):
            return HttpAnswer(
                status=HTTPStatus.GONE, body={"now": "new"}, headers={"Link": '</shelf/new>; rel="canonical"'}
            )
        case (name,):
            return HttpAnswer(status=HTTPStatus.OK, body={"name": name})
    return None


@pytest.fixture
def port() -> Iterator[int]:
    settings = HttpSettings(host="127.0.0.1", port=0)
    guards = {
        "safe": BearerGuard(tokens={OLD: None, NEW: None, SHOP: frozenset({"shop", "caf\u00e9/bar"})}, realm="safe"),
        "shut": BearerGuard(tokens={}, realm="shut"),
    }
    responders = dict.fromkeys(("shelf", "safe", "shut"), _shelf)
    with HttpEndpoints(settings, Health(), CollectorRegistry(), responders, guards=guards) as endpoints:
        yield endpoints.port


def _get(port: int, path: str) -> tuple[int, str | None, str]:
    status, headers, body = _ask(port, path)
    return status, headers["Link"], body


def _ask(port: int, path: str, authorization: str | None = None) -> tuple[int, http.client.HTTPMessage, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={} if authorization is None else {"Authorization": authorization})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def test_a_responder_gets_the_unquoted_parts_of_its_path_and_answers_status_headers_and_json(port: int) -> None:
    assert _get(port, "/shelf/caf%C3%A9%2Fbar") == (200, None, '{"name": "caf\\u00e9/bar"}\n')
    status, link, body = _get(port, "/shelf/old%20name?since=yesterday")
    assert (status, link, json.loads(body)) == (410, '</shelf/new>; rel="canonical"', {"now": "new"})


def test_what_nobody_answers_is_not_found_and_names_what_there_is(port: int) -> None:
    for path in ("/", "/shelf", "/shelf/a/b", "/other/a"):
        assert _get(port, path) == (404, None, "/metrics /livez /readyz /shelf /safe /shut\n")


def test_a_responder_that_fails_says_so_without_anybodys_data_and_the_rest_goes_on(port: int) -> None:
    assert _get(port, "/shelf/broken") == (503, None, '{"error": "Unwell"}\n')
    assert _get(port, "/livez")[0] == 200


@pytest.mark.parametrize("token", [OLD, NEW])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_whoever_has_one_of_the_tokens_is_answered(port: int, scheme: str, token: str) -> None:
    assert _ask(port, "/safe/a", f"{scheme} {token}")[0] == 200


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, 'Bearer realm="safe"'),
        ("Basic " + NEW, 'Bearer realm="safe"'),
        ("Bearer", 'Bearer realm="safe", error="invalid_token"'),
        ("Bearer " + NEW[:-1], 'Bearer realm="safe", error="invalid_token"'),
        (f"Bearer {OLD} {NEW}", 'Bearer realm="safe", error="invalid_token"'),
        ("Bearer \xe9", 'Bearer realm="safe", error="invalid_token"'),
    ],
)
def test_nobody_else_is_answered_nor_learns_what_there_is(port: int, authorization: str | None, challenge: str) -> None:
    for path in ("/safe/a", "/safe/broken", "/safe/a/b", "/safe"):
        status, headers, body = _ask(port, path, authorization)
        assert (status, headers["WWW-Authenticate"]) == (401, challenge)
        assert list(json.loads(body)) == ["error"]
    for path in ("/metrics", "/livez", "/readyz"):
        assert _ask(port, path, authorization)[0] == 200


def test_a_token_for_some_is_good_for_them_and_says_nothing_of_others(port: int) -> None:
    token = f"Bearer {SHOP}"
    for path in ("/safe/shop", "/safe/caf%C3%A9%2Fbar"):
        assert _ask(port, path, token)[0] == 200
    assert _ask(port, "/safe/shop/x", token)[0] == 404  # nothing there: that it may know
    answers = set()
    for path in ("/safe/other", "/safe/broken", "/safe/old%20name", "/safe/Shop", "/safe/shop%20", "/safe/", "/safe"):
        status, headers, body = _ask(port, path, token)
        answers.add((status, headers["WWW-Authenticate"], headers["Link"], body))
    challenge = 'Bearer realm="safe", error="insufficient_scope"'
    assert answers == {(403, challenge, None, '{"error": "the bearer token is not good for this"}\n')}


def test_a_guard_without_tokens_lets_nobody_through(port: int) -> None:
    for authorization in (None, "Bearer", "Bearer ", "Bearer None"):
        assert _ask(port, "/shut/a", authorization)[0] == 401


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("", False), ("10.0.0.1", False), ("worker", False)],  # noqa: S104 - nothing listens
)  # fmt: skip
def test_only_addresses_of_the_machine_itself_are_loopback(host: str, answer: bool) -> None:  # noqa: FBT001
    assert is_loopback(host) is answer
