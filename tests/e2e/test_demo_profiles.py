"""`customer-merge demo --profile`: every profile's story comes to its end, and a wrong one is refused at once."""

from pathlib import Path

import pytest

from customer_merge_demo.profiles import profile_names
from rig.fixtures import Spawn

STORY_LIMIT_S = 240.0  # on two busy cores; alone a story takes 20 s


@pytest.mark.parametrize("profile", profile_names())
def test_the_story_of_a_profile_comes_as_it_is_told(profile: str, spawn: Spawn, tmp_path: Path) -> None:
    told = spawn(["customer-merge", "demo", "--profile", profile, "--out", str(tmp_path / "out")])
    assert told.wait(STORY_LIMIT_S) == 0, told.tail()
    assert "Everything came as told" in told.stdout


def test_there_are_five_profiles() -> None:
    assert profile_names() == ["agent_console", "infoplus", "omneo", "spektrix", "storis"]


def test_an_unknown_profile_is_refused_with_the_names_that_there_are(spawn: Spawn) -> None:
    refused = spawn(["customer-merge", "demo", "--profile", "nowhere"])
    assert refused.wait() == 2
    assert "agent_console, infoplus, omneo, spektrix, storis" in refused.stderr


@pytest.mark.parametrize("option", [["--input", "customers.csv"], ["--kafka", "here:1"], ["--keep"]])
def test_a_profile_brings_its_own_customers_and_servers(option: list[str], spawn: Spawn) -> None:
    refused = spawn(["customer-merge", "demo", "--profile", "infoplus", *option])
    assert refused.wait() == 2
    assert option[0] in refused.stderr
