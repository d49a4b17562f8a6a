"""What a service answers over HTTP beside its own health."""

import http.client
import json
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from prometheus_client import CollectorRegistry

from event_runtime.health import Health
from event_runtime.http_endpoints import HttpAnswer, HttpEndpoints
from event_runtime.settings import HttpSettings


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
    with HttpEndpoints(settings, Health(), CollectorRegistry(), {"shelf": _shelf}) as endpoints:
        yield endpoints.port


def _get(port: int, path: str) -> tuple[int, str | None, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Link"), answer.read().decode()


def test_a_responder_gets_the_unquoted_parts_of_its_path_and_answers_status_headers_and_json(port: int) -> None:
    assert _get(port, "/shelf/caf%C3%A9%2Fbar") == (200, None, '{"name": "caf\\u00e9/bar"}\n')
    status, link, body = _get(port, "/shelf/old%20name?since=yesterday")
    assert (status, link, json.loads(body)) == (410, '</shelf/new>; rel="canonical"', {"now": "new"})


def test_what_nobody_answers_is_not_found_and_names_what_there_is(port: int) -> None:
    for path in ("/", "/shelf", "/shelf/a/b", "/other/a"):
        assert _get(port, path) == (404, None, "/metrics /livez /readyz /shelf\n")


def test_a_responder_that_fails_says_so_without_anybodys_data_and_the_rest_goes_on(port: int) -> None:
    assert _get(port, "/shelf/broken") == (503, None, '{"error": "Unwell"}\n')
    assert _get(port, "/livez")[0] == 200
