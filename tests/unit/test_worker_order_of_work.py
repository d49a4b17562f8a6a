from dataclasses import dataclass

from merge_worker.application.order_of_work import rounds


@dataclass(frozen=True)
class Asked:
    tenant_id: str
    command_id: str
    kind: str
    after_command_id: str | None = None


def _ids(batch: list[Asked]) -> list[dict[str, list[str]]]:
    return [{kind: [c.command_id for c in found] for kind, found in r.items()} for r in rounds(batch)]


def test_commands_of_one_kind_are_done_together_in_the_order_they_came() -> None:
    assert _ids([Asked("t", "1", "merge"), Asked("u", "2", "merge"), Asked("t", "3", "merge")]) == [
        {"merge": ["1", "2", "3"]}
    ]


def test_a_tenants_commands_of_different_kinds_keep_their_order() -> None:
    batch = [
        Asked("t", "1", "merge"),
        Asked("t", "2", "mark"),
        Asked("t", "3", "merge"),
        Asked("t", "4", "merge"),
    ]
    assert _ids(batch) == [{"merge": ["1"]}, {"mark": ["2"]}, {"merge": ["3", "4"]}]


def test_another_tenants_commands_do_not_wait_for_it() -> None:
    batch = [Asked("t", "1", "mark"), Asked("t", "2", "merge"), Asked("u", "3", "merge")]
    assert _ids(batch) == [{"mark": ["1"], "merge": ["3"]}, {"merge": ["2"]}]


def test_a_command_that_follows_another_of_the_batch_comes_in_a_later_round() -> None:
    batch = [Asked("t", "1", "merge"), Asked("t", "2", "merge", "1"), Asked("t", "3", "merge")]
    assert _ids(batch) == [{"merge": ["1"]}, {"merge": ["2", "3"]}]


def test_the_same_id_of_another_tenant_is_not_what_it_waits_for() -> None:
    assert _ids([Asked("t", "1", "merge"), Asked("u", "2", "merge", "1")]) == [{"merge": ["1", "2"]}]


def test_an_empty_batch_has_no_rounds() -> None:
    assert rounds([]) == []
