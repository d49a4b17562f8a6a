"""The seeded data set: the same every time, of the size asked for, with a truth worth finding."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_events import INPUT_COLUMNS
from customer_merge_demo.people.generator import MAX_RECORDS, generate
from customer_merge_demo.people.history import history_of


def test_the_same_seed_makes_the_same_customers() -> None:
    assert generate(records=300, seed=5) == generate(records=300, seed=5)


def test_another_seed_makes_other_customers() -> None:
    first, second = generate(records=50, seed=1), generate(records=50, seed=2)
    assert {c.display_name for c in first.customers} != {c.display_name for c in second.customers}


@pytest.mark.parametrize("records", [1, 2, 1200])
def test_as_many_records_as_asked_for_each_with_its_own_id_and_its_person(records: int) -> None:
    made = generate(records=records, seed=3)
    ids = [customer.customer_id for customer in made.customers]
    assert len(ids) == len(set(ids)) == records
    assert made.truth is not None
    assert set(made.truth) == set(ids)


@pytest.mark.parametrize("records", [0, -1, MAX_RECORDS + 1])
def test_a_size_that_cannot_be_made_is_refused(records: int) -> None:
    with pytest.raises(ValueError, match="records must lie between"):
        generate(records=records, seed=3)


def test_records_carry_only_the_columns_of_a_customer_file() -> None:
    columns = {name for customer in generate(records=800, seed=7).customers for name in customer.attributes}
    assert columns <= set(INPUT_COLUMNS) - {"customer_id", "source"}
    assert {"full_name", "given_name", "email", "phone", "street", "date_of_birth", "email_verified"} <= columns


def test_most_people_have_one_record_and_some_have_several() -> None:
    made = generate(records=1200, seed=7)
    sizes = Counter(Counter((made.truth or {}).values()).values())
    assert sizes[1] > sizes[2] > sizes[3] > 0
    assert 0.55 < len(set((made.truth or {}).values())) / 1200 < 0.75


def test_hard_cases_are_there_shared_phones_guests_and_namesakes() -> None:
    made = generate(records=1200, seed=7)
    truth = made.truth or {}
    holders: dict[str, set[str]] = {}
    for customer in made.customers:
        digits = "".join(filter(str.isdigit, customer.attributes.get("phone", "")))[-10:]
        if digits:
            holders.setdefault(digits, set()).add(truth[customer.customer_id])
    assert sum(len(people) > 1 for people in holders.values()) >= 5
    guests = [c for c in made.customers if "full_name" in c.attributes]
    assert guests
    assert all("email" in guest.attributes and "given_name" not in guest.attributes for guest in guests)
    assert any(c.history.legal_hold for c in made.customers)
    assert any(c.history.has_login for c in made.customers)


def test_nobody_can_be_reached_by_accident() -> None:
    for customer in generate(records=1000, seed=11).customers:
        email = customer.attributes.get("email", "x@mail.example.com")
        assert email.rsplit(".", 2)[-2] == "example"
        digits = "".join(filter(str.isdigit, customer.attributes.get("phone", "5555550100")))[-10:]
        assert digits[3:7] == "5550"


@given(st.text(min_size=1, max_size=40), st.integers(0, 2**32))
def test_a_history_depends_only_on_seed_and_id_and_its_points_are_never_negative(customer_id: str, seed: int) -> None:
    history = history_of(seed, customer_id, source=None)
    assert history == history_of(seed, customer_id, source=None)
    assert history.points >= 0
    assert all(order.days_ago <= history.created_days_ago for order in history.orders)
