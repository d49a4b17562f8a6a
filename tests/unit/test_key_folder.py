"""A folder of public keys that is looked at again while a program runs."""

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from event_runtime.faults import SettingError
from event_runtime.key_folder import KeyFolder


def put(folder: Path, key_id: str) -> Ed25519PublicKey:
    key = Ed25519PrivateKey.generate().public_key()
    # As a careful operator does: whole, in one step.
    (folder / "new").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (folder / "new").rename(folder / f"{key_id}.pem")
    return key


def raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes_raw()


def test_keys_come_change_and_go_with_their_files(tmp_path: Path) -> None:
    first = put(tmp_path, "first")
    keys = KeyFolder(tmp_path)
    second = put(tmp_path, "second")
    assert set(keys) == {"first"}  # until it is looked at again
    keys.look_again()
    assert {key_id: raw(key) for key_id, key in keys.items()} == {"first": raw(first), "second": raw(second)}
    changed = put(tmp_path, "second")
    (tmp_path / "first.pem").unlink()
    keys.look_again()
    assert {key_id: raw(key) for key_id, key in keys.items()} == {"second": raw(changed)}


def test_a_file_that_holds_no_key_keeps_the_one_it_had_and_the_others_go_on(tmp_path: Path) -> None:
    held = put(tmp_path, "held")
    put(tmp_path, "leaver")
    keys = KeyFolder(tmp_path)
    (tmp_path / "held.pem").write_text("half a")
    (tmp_path / "never.pem").write_text("none")
    (tmp_path / "leaver.pem").unlink()
    keys.look_again()
    assert {key_id: raw(key) for key_id, key in keys.items()} == {"held": raw(held)}
    later = put(tmp_path, "held")
    keys.look_again()
    assert {key_id: raw(key) for key_id, key in keys.items()} == {"held": raw(later)}


def test_a_folder_that_is_away_leaves_all_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    held = put(folder, "held")
    keys = KeyFolder(folder)
    folder.rename(tmp_path / "away")
    keys.look_again()
    assert raw(keys["held"]) == raw(held)
    (tmp_path / "away").rename(folder)
    put(folder, "other")
    keys.look_again()
    assert set(keys) == {"held", "other"}


def test_a_folder_of_links_as_orchestrators_make_them_is_followed(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
    put(tmp_path / "v1", "key")
    new = put(tmp_path / "v2", "key")
    (tmp_path / "data").symlink_to("v1")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "key.pem").symlink_to(tmp_path / "data" / "key.pem")
    keys = KeyFolder(folder)
    (tmp_path / "next").symlink_to("v2")
    os.replace(tmp_path / "next", tmp_path / "data")  # noqa: PTH105 - it is what they do
    keys.look_again()
    assert raw(keys["key"]) == raw(new)


def test_at_the_start_everything_must_be_in_order(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no folder with public keys"):
        KeyFolder(tmp_path)
    (tmp_path / "bad.pem").write_text("none")
    with pytest.raises(SettingError, match="no public Ed25519 key"):
        KeyFolder(tmp_path)
