import pytest

from merge_worker.application import event_ids
from merge_worker.application.authority import Role, highest_role


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
def test_the_highest_role_named_counts_and_unknown_names_count_for_nothing(roles: list[str], highest: Role):
    assert highest_role(roles) is highest


def test_a_command_has_one_terminal_id_and_a_conflict_another_one_for_each_content():
    terminal = event_ids.terminal_id("t", "c")
    assert terminal == event_ids.terminal_id("t", "c")
    conflicts = {event_ids.conflict_id("t", "c", digest) for digest in (b"1", b"2")}
    assert len(conflicts | {terminal}) == 3


def test_ids_of_different_parts_never_coincide_when_joined():
    assert event_ids.terminal_id("ab", "c") != event_ids.terminal_id("a", "bc")
