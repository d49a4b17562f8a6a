"""How records from other parts of the world, and records of no single person, agree."""

from collections.abc import Sequence

import pytest

from customer_identity.comparison import compare
from customer_identity.comparison.fields import FIELDS, MISSING
from customer_identity.matching.cautions import other_given_name
from customer_identity.matching.grades import Grade
from customer_identity.matching.stream import Stream, StreamPair
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord
from dedupe_detector.adapters.files import shipped_model
from rig.detector_world import person

CROWD = 260


def _level(field: str, one: dict[str, str], other: dict[str, str]) -> str | None:
    a, b = (normalise(CustomerRecord(tenant_id="t", customer_id="x", **v)) for v in (one, other))  # type: ignore[arg-type]
    position = [f.name for f in FIELDS].index(field)
    level = int(compare([a], [b])[0, position])
    return None if level == MISSING else FIELDS[position].levels[level]


def _matched(*customers: dict[str, str], crowd: Sequence[dict[str, str]] = ()) -> dict[tuple[str, str], StreamPair]:
    """Pairs of the customers, who come after a crowd of other people, by their places."""
    stream = Stream(shipped_model(), tenant_id="t")
    people = [*(person(n) for n in range(1000, 1000 + CROWD)), *crowd]
    stream.match([CustomerRecord.of(one, tenant_id="t", customer_id=f"n{n}") for n, one in enumerate(people)])
    own = [CustomerRecord.of(one, tenant_id="t", customer_id=str(n)) for n, one in enumerate(customers)]
    return {(min(pair.a, pair.b), max(pair.a, pair.b)): pair for pair in stream.match(own)}


@pytest.mark.parametrize(
    ("field", "one", "other", "level"),
    [
        ("family_name", {"full_name": "山田 太郎"}, {"given_name": "太郎", "family_name": "山田"}, "equal"),
        ("given_name", {"full_name": "山田太郎"}, {"given_name": "太郎", "family_name": "山田"}, "equal"),
        ("family_name", {"full_name": "佐々木愛"}, {"given_name": "愛", "family_name": "佐々木"}, "equal"),
        ("given_name", {"full_name": "ヤマダ タロウ"}, {"full_name": "やまだ　たろう"}, "equal"),
        ("family_name", {"full_name": "山田 太郎"}, {"full_name": "Taro Yamada"}, None),
        ("given_name", {"given_name": "隆", "family_name": "吉田"}, {"full_name": "Takashi Yoshida"}, None),
        ("given_name", {"given_name": "隆", "family_name": "吉田"}, {"full_name": "吉田 誠"}, "different"),
        ("given_name", {"full_name": "محمد علي"}, {"full_name": "Muhammad Ali"}, "nickname or slip"),
        ("family_name", {"full_name": "Юрий Чайковский"}, {"full_name": "Yury Chaikovsky"}, "slip"),
        ("family_name", {"full_name": "Ludwig van Beethoven"}, {"full_name": "Ludwig Beethoven"}, "slip"),
        ("family_name", {"full_name": "Gabriel García Márquez"}, {"full_name": "Gabriel García"}, "part or very alike"),
        ("family_name", {"full_name": "Ana García López"}, {"given_name": "Ana", "family_name": "García López"},
         "part or very alike"),
        ("family_name", {"full_name": "Jürgen Müller"}, {"full_name": "Juergen Mueller"}, "slip"),
        ("family_name", {"full_name": "Sinéad O'Connor"}, {"full_name": "Sinead O Connor"}, "equal"),
        ("given_name", {"given_name": "Ngọc Tuấn"}, {"given_name": "Tuan", "middle_name": "Ngoc"}, "nickname or slip"),
        ("given_name", {"full_name": "Robert Keith Moss"}, {"full_name": "Keith Moss"}, "initial or very alike"),
        ("given_name", {"given_name": "R"}, {"given_name": "Becky"}, "initial or very alike"),
        ("given_name", {"given_name": "K"}, {"given_name": "Rebecca"}, "different"),
        ("given_name", {"full_name": "S. Young"}, {"given_name": "Young", "family_name": "Sheila"},
         "exchanged with family name"),
        ("given_name", {"full_name": "T. Young"}, {"given_name": "Young", "family_name": "Sheila"}, "different"),
        ("email", {"email": "info@acme.com"}, {"email": "jo.smith@acme.com"}, None),
        ("email", {"email": "info@acme.com"}, {"email": "info@acme.com"}, "equal"),
        ("phone", {"phone": "+34 612 345 678"}, {"phone": "612345678"}, "equal"),
        ("phone", {"phone": "+44 (0)20 7946 0958"}, {"phone": "020 7946 0958", "country": "UK"}, "equal"),
        ("date_of_birth", {"date_of_birth": "4/5/1982"}, {"date_of_birth": "4. Mai 1982"}, "equal"),
        ("date_of_birth", {"date_of_birth": "4/5/1982"}, {"date_of_birth": "April 5, 1982"}, "equal"),
        ("email", {"full_name": "Jo Sith", "email": "jo.smith@aa.com"}, {"full_name": "Jo Smith", "email":
         "jo.smith@zz.org"}, None),
    ],
)  # fmt: skip
def test_levels_across_scripts_orders_and_spellings(
    field: str, one: dict[str, str], other: dict[str, str], level: str | None
) -> None:
    assert _level(field, one, other) == level
    assert _level(field, other, one) == level, "levels are symmetric"


def test_a_name_in_two_scripts_is_no_evidence_against_the_rest() -> None:
    taro = person(1) | {"given_name": "太郎", "family_name": "山田"}
    (pair,) = _matched(taro, taro | {"given_name": "Taro", "family_name": "Yamada"}).values()
    assert pair.grade >= Grade.PROBABLE


def test_two_people_of_one_household_are_never_certain_however_alike_their_names() -> None:
    """Couples and twins share everything else: address, phone, e-mail, here even the day of birth."""
    couples = [
        ("Patrick", "Patricia"), ("Michael", "Michelle"), ("Mark", "Mary"), ("Mario", "Maria"), ("Paul", "Paula"),
        ("Daniel", "Danielle"), ("First1", "First10"), ("Jane & John", "Jane"), ("J", "Jane"),
    ]  # fmt: skip
    same_person = [("Patricia", "Pat"), ("Patricia", "Patrica"), ("Patricia", "Patricia")]
    records: list[dict[str, str]] = []
    for number, names in enumerate([*couples, *same_person]):
        home = person(number)
        if "J" in names:
            del home["date_of_birth"]
        records += [home | {"given_name": name} for name in names]
    found = _matched(*records)
    grades = [found[str(at), str(at + 1)].grade for at in range(0, len(records), 2) if (str(at), str(at + 1)) in found]
    assert all(found[pair].grade < Grade.CERTAIN for pair in found if int(pair[0]) < 2 * len(couples))
    assert grades[-len(same_person) :] == [Grade.CERTAIN] * len(same_person), "and one person's names stay certain"


def test_colleagues_of_one_given_name_are_two_people() -> None:
    office = {"email": "info@acme.example", "phone": person(1)["phone"], "street": "1 Mill Road", "city": "Leeds"}
    staff = [office | {"given_name": g, "family_name": f} for g, f in (("David", "Okafor"), ("Emma", "Lindqvist"))]
    lauras = [office | {"given_name": "Laura", "family_name": family} for family in ("Clarke", "Gibson")]
    pairs = _matched(*staff, *lauras)
    laura = pairs.get(("2", "3"))
    assert laura is None or laura.grade < Grade.PROBABLE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"given_name": "Anderson", "family_name": "Denise"}, {"given_name": "Dennis", "family_name": "Anderson"}),
        ({"given_name": "Anderson"}, {"given_name": "Dennis", "family_name": "Anderson"}),
        ({"full_name": "Dennis Anderson Sr"}, {"full_name": "Dennis Anderson"}),
    ],
    ids=["exchanged and two names", "the family name alone", "a suffix on one side"],
)
def test_what_could_be_a_couple_or_father_and_son_is_not_certain(one: dict[str, str], other: dict[str, str]) -> None:
    home = {name: value for name, value in person(1).items() if name in {"phone", "street", "city", "postal_code"}}
    (pair,) = _matched(home | one, home | other).values()
    assert pair.score > 0.5, "they may well be one"
    assert pair.grade < Grade.CERTAIN


def test_an_address_of_ones_own_proves_what_a_shared_phone_does_not() -> None:
    switchboard = {"phone": person(1)["phone"]}
    staff = [switchboard | {"given_name": g, "family_name": f} for g, f in (("David", "Okafor"), ("Emma", "Lindqvist"))]
    laura = switchboard | {"given_name": "Laura", "family_name": "Clarke"}
    own = laura | {"email": "l.clarke@acme.example"}
    office = {"email": "frontdesk@acme.example"}
    assert _matched(*staff, own, own)["2", "3"].grade == Grade.CERTAIN
    assert (
        _matched(*staff, laura | {"email": "zx81@acme.example"}, laura | {"email": "zx81@acme.example"})["2", "3"].grade
        < Grade.CERTAIN
    ), "whose address it is does not show"
    assert _matched(*staff, laura, laura)["2", "3"].grade < Grade.CERTAIN
    both = _matched(*(one | office for one in staff), laura | office, laura | office)
    assert both["2", "3"].grade < Grade.CERTAIN


@pytest.mark.parametrize(
    ("one", "other", "two"),
    [("Sophie", "Sauphie", False), ("Joan", "Jane", True), ("Becky", "R", False), ("Ann", "R", True)],
)
def test_a_name_as_it_was_heard_is_no_other_name(one: str, other: str, two: object) -> None:
    a, b = (normalise(CustomerRecord(tenant_id="t", customer_id="x", given_name=name)) for name in (one, other))
    assert other_given_name(a, b, 2, known_a=True, known_b=True, same_family=True) is two


@pytest.mark.parametrize("column", ["date_of_birth", "email", "phone"])
def test_a_value_on_three_percent_of_the_base_says_nothing(column: str) -> None:
    """No list knows these: that they are nobody's own is seen from how many have them."""
    shared = {"date_of_birth": "1980-06-15", "email": "till4@shop.example", "phone": "0800 496 0123"}
    value = {column: shared[column]}
    many = [person(n) | value for n in range(5000, 5000 + max(20, CROWD * 3 // 100))]
    name = {"given_name": "Robertine", "family_name": "Quistgaard"}
    alone = _matched(name | value, name | value)
    among = _matched(name | value, name | value, crowd=many)
    assert alone["0", "1"].score > 0.9, "else there is nothing to take away"
    pair = among.get(("0", "1"))
    assert pair is None or (pair.score < alone["0", "1"].score and pair.grade < Grade.CERTAIN)
