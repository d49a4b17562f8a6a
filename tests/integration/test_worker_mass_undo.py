"""Everything that a version of a plan merged, undone from the newest on; asked for again, nothing is done twice."""

import json

from merge_worker.__main__ import main
from rig.in_process import run_here
from rig.merge_world import MergeWorld, merge

POLICY = ("--policy-version", "default/1", "--since", "2000-01-01", "--by", "ann", "--reason", "bad rule")


def test_all_merges_of_a_policy_version_are_undone_in_the_right_order(world: MergeWorld) -> None:
    world.customers(*"abcdefg")
    world.worker()
    world.produce(merge("m1", "b", "a"), merge("m3", "e", "d"), merge("m4", "f", "g"))
    for command in ("m1", "m3", "m4"):
        world.terminal(command)
    world.produce(merge("m2", "c", "b"))
    world.terminal("m2")
    (version,) = world.sql("SELECT DISTINCT policy_version FROM merge.merges")
    asked = ("unmerge", "--policy-version", version.policy_version, *POLICY[2:])
    world.sql("UPDATE merge.merges SET undoable_until = merged_at WHERE winner_id = 'f'")

    tried = world.run(*asked, "--dry-run", "--json")
    told = json.loads(tried.stdout)
    assert tried.returncode == 1
    assert told["outcomes"] == {"undone": 3, "refused": 1}
    assert told["merges"][0]["winner_id"] == "c"
    assert len(world.canonical()) == 4
    assert world.sql("SELECT FROM merge.unmerges") == []

    done = world.run(*asked, "--json")
    told = json.loads(done.stdout)
    assert told["outcomes"] == {"undone": 3, "refused": 1}
    assert [one["trouble"] for one in told["merges"] if one["outcome"] == "refused"] == [
        "UNDO_WINDOW_CLOSED: the merge can no longer be undone"
    ]
    assert {one: root for one, (root, _) in world.canonical().items() if one != root} == {"g": "f"}
    assert set(world.orders().values()) == {1, 2}

    again = json.loads(world.run(*asked, "--json").stdout)
    assert again["outcomes"] == {"refused": 1}
    assert len(world.sql("SELECT FROM merge.unmerges")) == 3
    world.promises()


def test_a_mass_undo_without_a_time_is_wrong_usage(world: MergeWorld) -> None:
    wrong = world.run("unmerge", "--policy-version", "default/1")
    assert wrong.returncode == 2
    assert "--since" in wrong.stderr


def test_a_merge_is_undone_with_the_newer_ones_that_stand_on_it_and_their_order_is_told(world: MergeWorld) -> None:
    world.customers(*"abcdef")
    world.worker()
    for command in (merge("m1", "b", "a"), merge("m2", "c", "b"), merge("m3", "c", "d"), merge("m4", "e", "c")):
        world.produce(command)
        world.terminal(command.command_id)
    first, second, fourth = (world.terminal(name).merge_id for name in ("m1", "m2", "m4"))

    alone = run_here(main, ["unmerge", first, "--wait"], world.env())
    assert alone.status == 1
    assert f"undo in this order, or all of them with --newest-first: {fourth} {second} {first}" in alone.err
    assert "UNMERGE_NEWER_FIRST" in alone.out

    world.sql("UPDATE merge.merges SET undoable_until = merged_at WHERE merge_id = CAST(:id AS uuid)", id=second)
    stuck = run_here(main, ["unmerge", first, "--newest-first"], world.env())
    assert stuck.status == 1
    assert "UNDO_WINDOW_CLOSED" in stuck.err
    assert world.sql("SELECT FROM merge.unmerges") == []  # nothing is undone for nothing
    world.sql("UPDATE merge.merges SET undoable_until = now() + interval '1 day'")

    done = run_here(main, ["unmerge", first, "--newest-first"], world.env())
    assert done.status == 0, done.err
    assert [json.loads(line)["merge_id"] for line in done.out.splitlines()] == [fourth, second, first]
    assert {one: root for one, (root, _) in world.canonical().items() if one != root} == {"d": "c"}
    again = run_here(main, ["unmerge", first, "--newest-first"], world.env())
    assert (again.status, json.loads(again.out)["type"]) == (0, "MergeNoop")
    world.promises()
