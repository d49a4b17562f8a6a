"""Signatures of records: what they vouch for, and everything that they do not."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.jwk import OKPKey

from event_runtime.faults import SettingError
from event_runtime.signatures import BadSignature, SignedRecord, Signer, Verifier, private_key, public_keys

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()
RECORD = SignedRecord(tenant_id="shop", event_id="e-1", body=b"\xc3\x01 a command")
SIGNER = Signer(key=KEY, key_id="desk-1")
VERIFIER = Verifier(keys={"desk-1": KEY.public_key(), "desk-2": OTHER.public_key()})


def refusal(signature: str | bytes, record: SignedRecord = RECORD, now: datetime = NOW) -> str:
    with pytest.raises(BadSignature) as refused:
        VERIFIER.check(signature.encode() if isinstance(signature, str) else signature, record, now)
    return str(refused.value)


def test_a_signature_vouches_for_its_record_and_names_its_key() -> None:
    assert VERIFIER.check(SIGNER.sign(RECORD, NOW).encode(), RECORD, NOW) == "desk-1"
    second = Signer(key=OTHER, key_id="desk-2")
    assert VERIFIER.check(second.sign(RECORD, NOW).encode(), RECORD, NOW) == "desk-2"


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (SignedRecord(tenant_id="other", event_id="e-1", body=RECORD.body), "another tenant"),
        (SignedRecord(tenant_id="shop", event_id="e-2", body=RECORD.body), "another event"),
        (SignedRecord(tenant_id="shop", event_id="e-1", body=RECORD.body + b" "), "other content"),
    ],
    ids=["tenant", "event", "content"],
)
def test_it_vouches_for_no_other_tenant_event_or_content(record: SignedRecord, reason: str) -> None:
    assert reason in refusal(SIGNER.sign(RECORD, NOW), record)


def test_it_ends_with_its_lifetime_and_a_little_leeway() -> None:
    signature = Signer(key=KEY, key_id="desk-1", lifetime=timedelta(minutes=5)).sign(RECORD, NOW)
    VERIFIER.check(signature.encode(), RECORD, NOW + timedelta(minutes=5, seconds=59))
    assert "expired" in refusal(signature, now=NOW + timedelta(minutes=6, seconds=1))


def test_a_key_that_is_unknown_or_not_the_one_named_vouches_for_nothing() -> None:
    assert "key is not known" in refusal(Signer(key=KEY, key_id="desk-3").sign(RECORD, NOW))
    assert "not made with the key" in refusal(Signer(key=KEY, key_id="desk-2").sign(RECORD, NOW))
    assert "another audience" in refusal(Signer(key=KEY, key_id="desk-1", audience="staging").sign(RECORD, NOW))


@pytest.mark.parametrize(
    "signature", ["", "a.b", "a.b.c", "....", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA", "[" * 4_000, "x" * 5_000]
)
def test_what_is_no_signature_is_refused_in_a_line(signature: str) -> None:
    reason = refusal(signature)
    assert reason.startswith("it is")
    assert "\n" not in reason


@pytest.mark.parametrize("head", [{"alg": "none"}, {"alg": "HS256"}, {"typ": "JWT"}, {"crit": ["exp"]}], ids=str)
def test_the_algorithm_is_never_the_senders_choice(head: dict[str, object]) -> None:
    whole = {"alg": "Ed25519", "kid": "desk-1", "typ": "command+jwt", **head}
    first = base64.urlsafe_b64encode(json.dumps(whole).encode()).rstrip(b"=").decode()
    signed = f"{first}.{SIGNER.sign(RECORD, NOW).split('.')[1]}"
    ending = base64.urlsafe_b64encode(KEY.sign(signed.encode())).rstrip(b"=").decode()
    assert "not of type" in refusal(f"{signed}.{ending}")


def test_no_byte_of_a_signature_can_be_changed() -> None:
    signature = SIGNER.sign(RECORD, NOW).encode()
    body_end = signature.rindex(b".") + 1
    for place in range(body_end):
        changed = bytearray(signature)
        changed[place] ^= 1
        refusal(bytes(changed))


def test_another_library_reads_what_is_signed_here_and_its_signatures_are_read_here() -> None:
    signature = SIGNER.sign(RECORD, NOW)
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = OKPKey.import_key(pem)
    read = jwt.decode(signature, key, algorithms=["Ed25519"])
    assert (read.claims["jti"], read.claims["tenant"]) == ("e-1", "shop")
    made = jwt.encode(read.header, read.claims, key, algorithms=["Ed25519"])
    assert VERIFIER.check(made.encode(), RECORD, NOW) == "desk-1"


def test_public_keys_are_the_pem_files_of_a_folder_named_by_their_ids(tmp_path: Path) -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "desk-1.pem").write_bytes(pem)
    (tmp_path / "README").write_text("not a key")
    assert list(public_keys(tmp_path)) == ["desk-1"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _folder: None, "is no folder with public keys"),
        (lambda folder: (folder / "a.pem").write_text("hello"), "is no public Ed25519 key"),
        (
            lambda folder: (folder / "a.pem").write_bytes(
                generate_private_key(SECP256R1())
                .public_key()
                .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            ),
            "is no public Ed25519 key",
        ),
    ],
    ids=["empty", "no-key", "another-kind"],
)
def test_a_folder_that_is_no_folder_of_keys_is_a_wrong_setting(
    tmp_path: Path, make: Callable[[Path], object], said: str
) -> None:
    make(tmp_path)
    with pytest.raises(SettingError, match=said):
        public_keys(tmp_path)


@pytest.mark.parametrize("password", [None, b"secret"], ids=["no-key", "password"])
def test_a_private_key_that_cannot_be_used_is_refused_without_repeating_it(password: bytes | None) -> None:
    pem = b"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n"
    if password is not None:
        pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    with pytest.raises(SettingError) as refused:
        private_key(pem)
    assert str(refused.value) == "no private Ed25519 key in PEM without a password"
