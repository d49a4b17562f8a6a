import subprocess
import sys

import numpy as np

from customer_identity.blocking import FAMILIES, enough_rarity, identifier_keys, key_code, keys_of, rarity
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord


def _codes(tenant: str = "t", **values: str) -> set[int]:
    record = normalise(CustomerRecord(tenant_id=tenant, customer_id="1", **values))  # type: ignore[arg-type]
    return set(keys_of(tenant, record).codes)


def test_family_numbers_are_unique_because_they_are_part_of_stored_keys() -> None:
    numbers = [family.number for family in FAMILIES]
    assert len(numbers) == len(set(numbers))


def test_records_of_two_tenants_share_no_key() -> None:
    values = {"full_name": "Anna Lopez", "email": "anna@example.com", "date_of_birth": "1982-04-12"}
    assert not _codes("one", **values) & _codes("two", **values)


def test_a_key_is_the_same_in_every_process() -> None:
    code = "from customer_identity.blocking import key_code; print(key_code('t', 1, 'x'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == key_code("t", 1, "x")


def test_exchanged_names_and_exchanged_day_and_month_meet() -> None:
    assert _codes(given_name="Anna", family_name="Lopez") & _codes(given_name="Lopez", family_name="Anna")
    assert _codes(date_of_birth="1982-04-12") & _codes(date_of_birth="1982-12-04")


def test_a_slip_in_any_one_field_leaves_other_keys_to_meet_by() -> None:
    values = {
        "given_name": "Anna",
        "family_name": "Lopez",
        "email": "anna.lopez77@example.com",
        "phone": "206-518-4492",
        "date_of_birth": "1982-04-12",
        "postal_code": "98107",
    }
    whole = _codes(**values)
    for column, value in values.items():
        slipped = value[:-1] + ("x" if column.endswith("name") else "3")
        assert len(whole & _codes(**{**values, column: slipped})) >= 3, column


def test_placeholders_have_no_keys() -> None:
    assert not _codes(full_name="Guest User", email="test@test.com", phone="000-000-0000", date_of_birth="1900-01-01")


def test_identifiers_are_the_mail_address_and_the_phone() -> None:
    record = normalise(CustomerRecord(tenant_id="t", customer_id="1", email="a.b@example.com", phone="206-518-4492"))
    codes = identifier_keys("t", record)
    assert len(codes) == 2
    keys = keys_of("t", record)
    assert keys.codes[: keys.identifiers] == codes


def test_rarer_keys_weigh_more_and_larger_bases_need_more() -> None:
    alone, shared = rarity(np.array([1e4, 1e4]), np.array([0, 9])).tolist()
    assert alone > shared > 0
    small, middle, large = enough_rarity(np.array([1e2, 5e4, 1e6])).tolist()
    assert small < middle == 7.0 < large
    assert rarity(np.array([1e2]), np.array([0]))[0] > small, "in a small base one unique key is enough"
    bases = np.array([1e5, 1e8])
    stays = rarity(bases, np.array([60, 60])) >= enough_rarity(bases)
    assert stays.all(), "what is shared by as few as before is enough in a larger base"
