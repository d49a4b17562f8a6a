"""A story.yaml is read strictly: a slip of the pen is told with its step."""

from pathlib import Path

import pytest

from customer_merge_demo.profiles import Profile, profile_names
from customer_merge_demo.profiles.script import Show, Step, Story, StoryUnreadable, Submitted, read_story


def story(*steps: dict[str, object]) -> Story:
    return Story.model_validate({"title": "t", "system": "s", "steps": list(steps)})


@pytest.mark.parametrize("profile", profile_names())
def test_every_shipped_story_can_be_read(profile: str) -> None:
    assert read_story(Profile(name=profile).file("story.yaml")).steps


def test_a_step_without_an_action_only_says_something() -> None:
    assert story({"say": "hello"}).step(1, {}) == Step(say="hello")


def test_what_an_earlier_step_kept_is_put_in_and_other_braces_stay() -> None:
    step = story({"show": "SELECT '{first}', '{\"a\": 1}'", "expect": [["{first}", None]]}).step(1, {"first": "m-1"})
    assert step == Show(show="SELECT 'm-1', '{\"a\": 1}'", expect=[["m-1", None]])


def test_what_was_kept_is_put_into_the_fields_of_a_command_too() -> None:
    step = story({"submit": {"winner_id": "{who}", "loser_ids": ["{who}-2"]}}).step(1, {"who": "A"})
    assert isinstance(step, Submitted)
    assert step.submit == {"winner_id": "A", "loser_ids": ["A-2"]}


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ({"show": "SELECT 1", "sql": "SELECT 2"}, "step 1 has several actions: show, sql"),
        ({"show": "SELECT 1", "expct": []}, "step 1: expct"),
        ({"sya": "hello"}, "step 1: sya"),
        ({"until": "SELECT 1"}, "step 1: expect"),
    ],
)
def test_a_step_that_is_no_step_is_told_with_its_number(
    step: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(story(step).model_dump_json(), encoding="utf-8")
    with pytest.raises(StoryUnreadable, match=complaint):
        read_story(path)
