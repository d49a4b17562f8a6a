"""ConvertCustomer end to end: one outcome, the event in the stream, aliases, and ids given up that keep resolving."""

from importlib import resources
from pathlib import Path

import customer_events as wire
from rig.merge_world import TENANT, MergeWorld, merge


def test_a_conversion_is_told_like_a_merge_and_ids_given_up_keep_resolving(world: MergeWorld, tmp_path: Path) -> None:
    text = (resources.files("merge_engine") / "plans" / "default.yaml").read_text(encoding="utf-8")
    plan = tmp_path / "plan.yaml"
    plan.write_text(
        text.replace("conversion:\n", 'conversion:\n  id_prefix: {individual: "I-", organisation: "O-"}\n', 1)
    )
    world.customers("I-1", "I-2")
    world.produce(merge("m1", "I-1", "I-2"))
    world.worker(PLAN=str(plan))
    world.terminal("m1")
    convert = wire.ConvertCustomer(
        tenant_id=TENANT,
        command_id="c1",
        customer_id="I-1",
        to_type=wire.CustomerType.ORGANISATION,
        requested_by=wire.Actor(id="ann", roles=("merge",)),
        reason="a shop",
    )
    world.produce(convert, convert)
    completed = world.terminal("c1")
    assert (completed.kind, completed.winner_id) == (wire.OutcomeKind.CONVERT, "O-1")
    assert world.canonical() == {"I-1": ("O-1", 1), "I-2": ("O-1", 2)}
    assert world.orders() == {"O-1": 2}
    again = convert.model_copy(update={"command_id": "c2", "customer_id": "O-1"})
    world.produce(again, convert.model_copy(update={"command_id": "c3"}))
    assert [one.rule for one in world.terminal("c2").errors] == ["ALREADY_OF_THIS_TYPE"]
    refused = world.terminal("c3")
    assert [(one.rule, one.permanent) for one in refused.errors] == [("CUSTOMER_MERGED_AWAY", True)]
    nobody = convert.model_copy(update={"command_id": "c4", "requested_by": wire.Actor(id="rob", roles=("recommend",))})
    world.produce(nobody)
    assert world.terminal("c4").stage is wire.Stage.AUTHORISATION
    evidence = world.promises()
    (converted,) = [one.event for one in evidence.stream_events if one.type == "CustomerConverted"]
    assert (converted.customer_id, converted.new_id, converted.to_type) == (
        "I-1",
        "O-1",
        wire.CustomerType.ORGANISATION,
    )
    assert {one.from_: one.canonical for one in converted.redirects} == {"I-1": "O-1", "I-2": "O-1"}
    aliases = {one.event.retired_id: (one.event.canonical_id, one.event.version) for one in evidence.aliases}
    assert aliases == {"I-1": ("O-1", 1), "I-2": ("O-1", 2)}
    (state,) = world.sql("SELECT state, canonical_id, merged_by FROM merge.customer_state WHERE customer_id = 'I-1'")
    assert tuple(state) == ("converted", "O-1", "ann")
    assert world.run("audit", "verify").wait() == 0
