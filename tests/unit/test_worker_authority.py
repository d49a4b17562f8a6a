import pytest

import customer_events as wire
from event_runtime.faults import SettingError
from merge_worker.adapters.commands import Command
from merge_worker.application import event_ids
from merge_worker.application.authority import Role, highest_role
from merge_worker.settings import MergeWorkerSettings
from review_desk.settings import DeskSettings
from rig.merge_world import merge


@pytest.mark.parametrize(
    ("roles", "highest"),
    [
        ([], Role.NONE),
        (["recommend"], Role.RECOMMEND),
        (["merge", "recommend"], Role.MERGE),
        (["protected-data"], Role.PROTECTED_DATA),
        (["admin"], Role.ADMIN),
        (["owner", "MERGE"], Role.NONE),
    ],
)
def test_the_highest_role_named_counts_and_unknown_names_count_for_nothing(roles: list[str], highest: Role) -> None:
    assert highest_role(roles) is highest


def test_a_command_has_one_terminal_id_and_a_conflict_another_one_for_each_content() -> None:
    terminal = event_ids.terminal_id("t", "c")
    assert terminal == event_ids.terminal_id("t", "c")
    conflicts = {event_ids.conflict_id("t", "c", digest) for digest in (b"1", b"2")}
    assert len(conflicts | {terminal}) == 3


def test_ids_of_different_parts_never_coincide_when_joined() -> None:
    assert event_ids.terminal_id("ab", "c") != event_ids.terminal_id("a", "bc")


@pytest.mark.parametrize(("claimed", "left"), [("admin", ("recommend",)), ("recommend", ("recommend",)), ("boss", ())])
def test_without_proof_nobody_has_more_than_the_role_to_recommend(claimed: str, left: tuple[str, ...]) -> None:
    event = merge("c", "a", "b", requested_by=wire.Actor(id="ann", roles=(claimed,)))
    assert Command(event=event, proven=False).roles == left
    assert Command(event=event).roles == (claimed,)


@pytest.mark.parametrize("settings", [MergeWorkerSettings, DeskSettings])
def test_an_authority_that_is_unknown_or_lacks_its_keys_is_a_wrong_setting(
    settings: type[MergeWorkerSettings | DeskSettings],
) -> None:
    prefix = settings.prefix()
    with pytest.raises(SettingError, match=f"{prefix}AUTHORITY 'everybody'"):
        settings.load({f"{prefix}AUTHORITY": "everybody"}, dotenv=None)
    with pytest.raises(SettingError, match=f"authority signature needs {prefix}SIGNATURE__KEY"):
        settings.load({f"{prefix}AUTHORITY": "signature"}, dotenv=None)
