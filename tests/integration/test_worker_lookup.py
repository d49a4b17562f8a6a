"""GET /customers/… on a worker that others can reach: a token is needed, and the rest of the port is open as ever."""

import http.client
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from event_runtime.faults import SettingError
from merge_worker.settings import MergeWorkerSettings
from rig.merge_world import TENANT, MergeWorld
from rig.processes import Program, eventually

EVERYWHERE = "0.0.0.0"  # noqa: S104 - that is what is tested
TOKEN, NEXT = "a-token-that-is-long-enough", "and-one-that-follows-it"
OTHERS = "one-for-other-tenants"


def _status(program: Program, path: str, token: str | None = None) -> int:
    return _answer(program, path, token)[0]


def _answer(program: Program, path: str, token: str | None = None) -> tuple[int, str]:
    port = int(program.wait_for(r'"http_port": (\d+)', 60).group(1))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_on_an_address_that_others_reach_the_look_up_needs_a_token(world: MergeWorld, tmp_path: Path) -> None:
    world.customers("a")
    world.customers("b", tenant_id="other")
    file, by_tenant = tmp_path / "token", tmp_path / "tenant_tokens"
    file.write_text(f"{TOKEN}\n{NEXT}\n")
    by_tenant.write_text(json.dumps({OTHERS: ["other", "third"]}))
    worker = world.worker(
        HTTP__HOST=EVERYWHERE, LOOKUP__TOKEN_FILE=str(file), LOOKUP__TENANT_TOKENS_FILE=str(by_tenant)
    )
    path = f"/customers/{TENANT}/a"
    eventually(lambda: _status(worker, path, TOKEN) == 200)
    assert _status(worker, path, NEXT) == 200
    assert [_status(worker, path, token) for token in (None, "wrong", TOKEN[:-1])] == [401, 401, 401]
    assert _status(worker, f"/customers/{TENANT}/nobody") == 401
    assert _status(worker, "/customers/other/b", OTHERS) == _status(worker, "/customers/other/b", TOKEN) == 200
    assert _status(worker, "/customers/other/a", OTHERS) == 404
    foreign = [_answer(worker, one, OTHERS) for one in (path, f"/customers/{TENANT}/nobody", "/customers/nowhere/a")]
    assert len(set(foreign)) == 1  # whether or not there is such a customer
    assert foreign[0][0] == 403
    for open_to_all in ("/metrics", "/livez", "/readyz"):
        eventually(lambda: _status(worker, open_to_all) == 200)  # noqa: B023 - called at once
    assert worker.stop() == 0
    for secret in (TOKEN, NEXT, OTHERS):
        assert secret not in worker.stderr + worker.stdout


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"HTTP__HOST": EVERYWHERE}, 401),
        ({"HTTP__HOST": EVERYWHERE, "LOOKUP__OPEN": "true"}, 200),
        ({"LOOKUP__TOKEN": TOKEN}, 401),
        ({}, 200),
    ],
    ids=["closed", "opened", "token-on-loopback", "loopback"],
)
def test_without_a_token_only_loopback_is_open_unless_somebody_says_otherwise(
    world: MergeWorld, settings: Mapping[str, str], status: int
) -> None:
    world.customers("a")
    worker = world.worker(**settings)
    worker.wait_for('"event": "service_started"', 60)
    assert _status(worker, f"/customers/{TENANT}/a") == status
    assert ("lookup_is_closed" in worker.stderr) is (settings == {"HTTP__HOST": EVERYWHERE})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TOKEN": "short"}, "16 characters"),
        ({"TOKEN": f"{TOKEN} short"}, "16 characters"),
        ({"TOKEN": "#"}, "16 characters"),
        ({"TOKEN": TOKEN, "OPEN": "true"}, "exclude each other"),
        ({"TENANT_TOKENS": f'{{"{TOKEN}": ["shop"]}}', "OPEN": "true"}, "exclude each other"),
        ({"TENANT_TOKENS": f'{{"{TOKEN}": ["shop"]}}', "TOKEN": TOKEN}, "stands in both"),
        ({"TENANT_TOKENS": TOKEN}, "must be JSON"),
        ({"TENANT_TOKENS": "{}"}, "must be JSON"),
        ({"TENANT_TOKENS": f'{{"{TOKEN}": "shop"}}'}, "must be JSON"),
        ({"TENANT_TOKENS": f'{{"{TOKEN}": []}}'}, "must be JSON"),
        ({"TENANT_TOKENS": f'{{"{TOKEN} {TOKEN}": ["shop"]}}'}, "no blanks"),
        ({"TENANT_TOKENS": '{"short": ["shop"]}'}, "16 characters"),
    ],
)
def test_a_token_that_is_none_is_a_wrong_setting_and_is_not_repeated(settings: Mapping[str, str], said: str) -> None:
    with pytest.raises(SettingError, match=said) as refused:
        MergeWorkerSettings.load(
            {f"MERGE_WORKER_LOOKUP__{name}": value for name, value in settings.items()}, dotenv=None
        )
    told = str(refused.value).replace("LOOKUP__TOKEN", "").replace("LOOKUP__TENANT_TOKENS", "")
    assert TOKEN not in told
    if "TOKEN" in settings:
        assert settings["TOKEN"] not in told
