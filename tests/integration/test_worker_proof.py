"""Who is believed under authority `signature` and `approval`: real workers, a real desk, everything over the bus."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

import customer_events as wire
from event_runtime import cloudevents
from event_runtime.signatures import SIGNATURE_HEADER, SignedRecord, Signer
from rig.fixtures import Spawn
from rig.invariants import CODEC
from rig.merge_world import PACKAGES, PARTITIONS, TENANT, MergeWorld, convert, merge, not_duplicate
from rig.processes import eventually, service_env

ANN = wire.Actor(id="ann", roles=("admin",))


@pytest.fixture
def world(
    migrated: Callable[..., str],
    kafka: str,
    topic_prefix: str,
    make_topics: Callable[[Mapping[str, int]], dict[str, str]],
    spawn: Spawn,
) -> Iterator[MergeWorld]:
    make_topics({**PARTITIONS, "merge-candidate": 1})
    made = MergeWorld(
        database_url=migrated(*PACKAGES, "review_desk"), bootstrap=kafka, prefix=topic_prefix, spawn=spawn
    )
    yield made
    made.close()


class Keys:
    """A folder of public keys, and the private ones in files beside it."""

    def __init__(self, folder: Path, *key_ids: str) -> None:
        self.public, self.private = folder / "public", folder / "private"
        self.public.mkdir()
        self.private.mkdir()
        self.signers = {key_id: self._make(key_id) for key_id in key_ids}

    def pem(self, key_id: str) -> bytes:
        """A public key."""
        return self.signers[key_id].key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def _make(self, key_id: str) -> Signer:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.public / f"{key_id}.pem").write_bytes(public)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.private / f"{key_id}.pem").write_bytes(private)
        return Signer(key=key, key_id=key_id)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "old", "new", "gone")


def _record(event: Any, signer: Signer | None = None, **other: Any) -> tuple[bytes, dict[str, str]]:
    """A record; `other` is what the signature says in place of the truth."""
    kind = wire.event_type(event)
    event_id, now, body = str(uuid.uuid4()), datetime.now(UTC), CODEC.encode(event)
    headers = cloudevents.headers(
        event_id=event_id, source="/test", type_=kind.name, subject=kind.subject(event), time=now
    )
    if signer is not None:
        truth = {"tenant_id": event.tenant_id, "event_id": event_id, "body": body, "at": now} | other
        at = truth.pop("at")
        headers[SIGNATURE_HEADER] = signer.sign(SignedRecord(**truth), at)
    return body, headers


def _rules(outcome: Any) -> list[str]:
    assert isinstance(outcome, wire.MergeRejected), outcome
    assert outcome.stage is wire.Stage.AUTHORISATION
    assert all(error.permanent is (error.rule != "SIGNATURE_EXPIRED") for error in outcome.errors)
    return [error.rule for error in outcome.errors]


def test_what_is_signed_with_a_known_key_is_done_and_what_is_not_is_only_recommended(
    world: MergeWorld, keys: Keys, tmp_path: Path
) -> None:
    (keys.public / "gone.pem").unlink()
    world.customers(*"abcdefghij")
    world.worker(AUTHORITY="signature", SIGNATURE__KEYS=str(keys.public))
    old, new, gone = keys.signers.values()
    theirs = merge("theirs", "g", "h")
    world.produce_bytes(
        "merge-command",
        [
            _record(merge("by_old", "a", "b"), old),
            _record(merge("by_new", "c", "d"), new),
            _record(merge("bare", "e", "f", requested_by=ANN)),
            _record(not_duplicate("bare_mark", "e", "f")),
            _record(convert("bare_convert", "e", role="admin")),
            _record(merge("by_gone", "e", "f"), gone),
            _record(merge("copied", "e", "f"), old, body=CODEC.encode(theirs)),
            _record(merge("moved", "e", "f"), old, event_id="another"),
            _record(merge("foreign", "e", "f"), old, tenant_id="elsewhere"),
            _record(merge("late", "e", "f"), old, at=datetime.now(UTC) - timedelta(days=2)),
        ],
    )
    for command_id in ("by_old", "by_new"):
        assert isinstance(world.terminal(command_id), wire.MergeCompleted)
    for command_id in ("bare_mark", "bare_convert"):
        assert _rules(world.terminal(command_id)) == ["PROOF_MISSING"]
    for command_id in ("by_gone", "copied", "moved", "foreign"):
        assert _rules(world.terminal(command_id)) == ["SIGNATURE_INVALID"]
    assert _rules(world.terminal("late")) == ["SIGNATURE_EXPIRED"]
    (notice,) = eventually(lambda: world.notices("bare"))
    assert isinstance(notice, wire.MergeRecommended)
    assert [error.rule for error in notice.errors] == ["PROOF_MISSING"]
    assert [row.status for row in world.sql("SELECT status FROM merge.requests")] == ["recommended"]
    assert world.canonical().keys() == {"b", "d"}

    # A key that comes is believed, one that goes is not, without a restart.
    (keys.public / "gone.pem").write_bytes(keys.pem("gone"))
    (keys.public / "new.pem").write_text("half a k")
    world.produce_bytes("merge-command", [_record(merge("by_newcomer", "a", "i"), gone)])
    assert isinstance(world.terminal("by_newcomer"), wire.MergeCompleted)
    (keys.public / "gone.pem").unlink()
    world.produce_bytes("merge-command", [_record(merge("by_leaver", "a", "j"), gone)])
    assert _rules(world.terminal("by_leaver")) == ["SIGNATURE_INVALID"]

    file = tmp_path / "commands.jsonl"
    file.write_text(json.dumps({"command_id": "cli", "tenant_id": TENANT, "winner_id": "g", "loser_ids": ["h"],
                                "requested_by": {"id": "ann", "roles": ["merge"]}, "reason": "x"}))  # fmt: skip
    submitted = world.run("submit", str(file), "--wait", "--sign-key", str(keys.private / "new.pem"))
    assert submitted.wait() == 0, submitted.tail()
    merge_id = world.terminal("cli").merge_id
    refused = world.run("unmerge", merge_id, "--wait")
    assert refused.wait() == 1
    assert "PROOF_MISSING" in refused.stdout
    undone = world.run("unmerge", merge_id, "--wait", "--sign-key", str(keys.private / "old.pem"))
    assert undone.wait() == 0, undone.tail()
    world.promises()


def test_the_desk_signs_what_it_decides(world: MergeWorld, keys: Keys) -> None:
    signing = {
        "AUTHORITY": "signature",
        "SIGNATURE__KEY_FILE": str(keys.private / "new.pem"),
        "SIGNATURE__KEY_ID": "new",
    }
    world.customers("a", "b")
    _desk(world, signing, "merge", "a", "b", "--tenant", TENANT)
    world.spawn(["review-desk", "relay"], _desk_env(world, signing))
    world.worker(AUTHORITY="signature", SIGNATURE__KEYS=str(keys.public))
    eventually(lambda: world.canonical() == {"b": ("a", 1)}, 60)
    world.promises()


def test_what_the_desk_approved_is_done_and_what_anybody_wrote_to_the_topic_is_only_recommended(
    world: MergeWorld, tmp_path: Path
) -> None:
    approving = {"AUTHORITY": "approval"}
    world.customers(*"abcdef")
    world.worker(AUTHORITY="approval")
    world.produce(merge("bare", "a", "b", requested_by=ANN), convert("bare_convert", "a", role="admin"))
    assert _rules(world.terminal("bare_convert")) == ["PROOF_MISSING"]
    eventually(lambda: world.sql("SELECT FROM merge.requests WHERE status = 'recommended'"))
    assert world.canonical() == {}

    world.spawn(["review-desk", "relay"], _desk_env(world, approving))
    _desk(world, approving, "request", "approve", "--all", "--tenant", TENANT)
    eventually(lambda: world.canonical() == {"b": ("a", 1)}, 60)
    _desk(world, approving, "merge", "c", "d", "--tenant", TENANT)
    eventually(lambda: world.canonical().keys() == {"b", "d"}, 60)
    approved = world.sql("SELECT command_id, approved_by FROM merge.approvals")
    assert [row.approved_by for row in approved] == ["eve", "eve"]

    # The same id with other content is what nobody approved, also when it comes first.
    file = tmp_path / "commands.jsonl"
    file.write_text(json.dumps({"command_id": "cli", "tenant_id": TENANT, "winner_id": "e", "loser_ids": ["f"],
                                "requested_by": {"id": "ann", "roles": ["merge"]}, "reason": "x"}))  # fmt: skip
    submitted = world.run("submit", str(file), "--wait", "--approve-by", "ann")
    assert submitted.wait() == 0, submitted.tail()
    world.sql(
        "INSERT INTO merge.approvals (tenant_id, command_id, content, approved_by)"
        " SELECT tenant_id, 'swapped', content, approved_by FROM merge.approvals LIMIT 1"
    )
    world.produce(merge("swapped", "a", "c"))
    eventually(lambda: world.notices("swapped"))
    assert world.canonical().keys() == {"b", "d", "f"}
    world.promises()


def test_a_worker_without_the_keys_it_was_promised_does_not_start(world: MergeWorld, tmp_path: Path) -> None:
    started = world.worker(AUTHORITY="signature", SIGNATURE__KEYS=str(tmp_path / "nowhere"))
    assert started.wait() == 2
    assert "MERGE_WORKER_SIGNATURE__KEYS" in started.stderr
    assert "nowhere is no folder with public keys" in started.stderr


def _desk_env(world: MergeWorld, settings: Mapping[str, str]) -> dict[str, str]:
    return service_env(
        "REVIEW_DESK",
        database=world.database_url,
        bootstrap=world.bootstrap,
        topic_prefix=world.prefix,
        **settings,
    )


def _desk(world: MergeWorld, settings: Mapping[str, str], *arguments: str) -> None:
    asked = world.spawn(["review-desk", *arguments, "--as", "eve"], _desk_env(world, settings))
    assert asked.wait() == 0, asked.tail()
