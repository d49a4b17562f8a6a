import json
from importlib import resources

import numpy as np
import pytest

from customer_identity.comparison import compare
from customer_identity.comparison.fields import FIELDS, MISSING
from customer_identity.matching.evidence import BIT, blocks, candidate_id, evidence_digest, evidence_of
from customer_identity.matching.grades import Grade
from customer_identity.matching.index import Entry, MemoryIndex
from customer_identity.matching.matcher import Matcher, Matches
from customer_identity.matching.model import Model, ModelError, format_model, parse_model
from customer_identity.matching.scoring import logit_of
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord

ANNA = {
    "given_name": "Anna",
    "family_name": "Marchetti",
    "email": "a.marchetti77@example.com",
    "phone": "206-518-4492",
    "date_of_birth": "1982-04-12",
    "street": "12 Ocean View",
    "city": "Westfir",
    "postal_code": "97492",
}

JO, ROME, ROAD = {"full_name": "Jo Smith"}, {"city": "Rome"}, {"street": "1 A Road"}


@pytest.fixture(scope="module")
def model() -> Model:
    text = resources.files("customer_identity.matching").joinpath("model.json").read_text(encoding="utf-8")
    return parse_model(text)


def _entries(*customers: dict[str, str]) -> list[Entry]:
    return [
        Entry(
            number=number,
            tenant_id="t",
            customer_id=f"C{number}",
            version=1,
            source=values.pop("source", ""),
            record=normalise(CustomerRecord(tenant_id="t", customer_id="x", **values)),  # type: ignore[arg-type]
        )
        for number, values in enumerate(dict(one) for one in customers)
    ]


def _pair(model: Model, one: dict[str, str], other: dict[str, str], *more: dict[str, str]) -> Matches:
    """The pair scored in a base of a thousand others (and `more`, which are looked up first)."""
    crowd = [{"given_name": f"Given{n % 90}", "family_name": f"Family{n % 400}"} for n in range(1000)]
    entries = _entries(one, *more, *crowd, other)
    index = MemoryIndex()
    index.add(entries)
    matcher = Matcher(model, index)
    matcher.match(entries[: 1 + len(more)], only_earlier=True)
    return matcher.compare_pair(entries[-1], entries[0])


def _level(field: str, one: dict[str, str], other: dict[str, str]) -> str | None:
    a, b = (entry.record for entry in _entries(one, other))
    position = [f.name for f in FIELDS].index(field)
    level = int(compare([a], [b])[0, position])
    return None if level == MISSING else FIELDS[position].levels[level]


@pytest.mark.parametrize(
    ("field", "one", "other", "level"),
    [
        ("given_name", {"given_name": "William"}, {"given_name": "Bill"}, "nickname or slip"),
        ("given_name", {"given_name": "Wm", "family_name": "X"}, {"given_name": "John"}, "different"),
        ("given_name", {"given_name": "J"}, {"given_name": "John"}, "initial or very alike"),
        ("given_name", {"full_name": "Anna Lopez"}, {"full_name": "Lopez Anna"}, "exchanged with family name"),
        ("given_name", {"given_name": "Anna"}, {"family_name": "Lopez"}, None),
        ("given_name", {"given_name": "Lopez"}, {"full_name": "Anna Lopez"}, None),
        ("family_name", {"given_name": "Lopez"}, {"full_name": "Anna Lopez"}, "slip"),
        ("date_of_birth", {"date_of_birth": "1982-04-12"}, {"date_of_birth": "1982-74-12"}, "one slip"),
        ("family_name", {"family_name": "Garcia Lopez"}, {"family_name": "Lopez"}, "part or very alike"),
        ("date_of_birth", {"date_of_birth": "1982-04-12"}, {"date_of_birth": "1982-12-04"}, "day and month exchanged"),
        ("date_of_birth", {"date_of_birth": "1982-04-12"}, {"date_of_birth": "1982-04-13"}, "one slip"),
        ("date_of_birth", {"date_of_birth": "4/12/1982"}, {"date_of_birth": "1982-12-04"}, "equal"),
        ("email", {"email": "anna@a.com"}, {"email": "anna@a.con"}, "equal"),
        ("email", {"email": "anna487711@a.com"}, {"email": "48 77 11"}, "slip or same digits"),
        ("email", {"email": "anna77@a.com"}, {"email": "anna77@b.org"}, "same local part"),
        ("email", JO | {"email": "jo.smith@aa.com"}, JO | {"email": "jo.smith@zz.org"}, None),
        ("phone", {"phone": "206-518-4492"}, {"phone": "+1 (206) 518 4492"}, "equal"),
        ("phone", {"phone": "206-518-4492"}, {"phone": "206-518-4493"}, "one digit differs"),
        ("address", ROME | {"street": "12 Main St"}, ROME | {"street": "12 Main Street"}, "same dwelling"),
        ("address", ROME | {"street": "12 Main St"}, {"street": "12 Main Street", "city": "Oslo"}, "elsewhere"),
        ("address", ROME | {"street": "12 Main St #1"}, ROME | {"street": "12 Main St #2"}, "nearly the same dwelling"),
        ("postal_code", ROAD | {"postal_code": "97492"}, ROAD | {"postal_code": "97492"}, None),
        ("postal_code", {"postal_code": "97492"}, ROAD | {"postal_code": "97492"}, "equal"),
        ("gender", {"gender": "Male"}, {"gender": "f"}, "male against female"),
        ("suffix", {"full_name": "Jo Smith Jr"}, {"full_name": "Jo Smith Sr"}, "different"),
    ],
)  # fmt: skip
def test_levels_of_agreement(field: str, one: dict[str, str], other: dict[str, str], level: str | None) -> None:
    assert _level(field, one, other) == level
    assert _level(field, other, one) == level, "levels are symmetric"


def test_one_person_twice_is_certain_and_may_be_automated(model: Model) -> None:
    matches = _pair(model, ANNA, ANNA | {"given_name": "Ana", "phone": "+1 206 518 4492"})
    assert matches.grade[0] == Grade.CERTAIN
    assert blocks(matches, 0) == []


def test_two_strangers_of_one_common_name_are_no_candidate(model: Model) -> None:
    namesakes = {"given_name": "Given1", "family_name": "Family1"}
    assert _pair(model, namesakes, namesakes | {"city": "Rome"}).score[0] < 0.5


def test_a_couple_at_one_address_is_two_people(model: Model) -> None:
    bruno = {key: value for key, value in ANNA.items() if key != "date_of_birth"} | {"given_name": "Bruno"}
    anna = {key: value for key, value in ANNA.items() if key != "date_of_birth"}
    matches = _pair(model, anna, bruno)
    assert matches.grade[0] < Grade.PROBABLE
    assert "OTHER_GIVEN_NAME" in blocks(matches, 0)


def test_twins_are_not_certain_although_all_but_the_given_name_agrees(model: Model) -> None:
    assert _pair(model, ANNA, ANNA | {"given_name": "Carla"}).grade[0] < Grade.CERTAIN


def test_twins_with_names_alike_are_not_certain(model: Model) -> None:
    mark, marsha = ({name: value for name, value in ANNA.items() if name != "phone"} | {"given_name": given}
                    for given in ("Mark", "Marsha"))  # fmt: skip
    assert _pair(model, mark, marsha).grade[0] < Grade.CERTAIN


def test_father_and_son_of_one_name_are_told_apart_by_the_suffix(model: Model) -> None:
    father, son = ANNA | {"family_name": "Marchetti Sr"}, ANNA | {"family_name": "Marchetti Jr"}
    matches = _pair(model, father, son)
    assert matches.score[0] <= 0.1
    assert "SUFFIX_CONFLICT" in blocks(matches, 0)


def test_a_contact_that_other_people_use_too_proves_nothing(model: Model) -> None:
    shared = {"given_name": "Anna", "family_name": "Marchetti", "email": "office@acme-tools.com"}
    stranger = {"given_name": "Dmitri", "family_name": "Okafor", "email": "office@acme-tools.com"}
    alone, known = _pair(model, shared, shared), _pair(model, shared, shared, stranger)
    assert alone.score[0] > known.score[0]
    assert known.grade[0] < Grade.CERTAIN
    assert "CONTESTED_IDENTIFIER" in blocks(known, 0)


def test_a_hub_phone_proposes_nothing_automatically(model: Model) -> None:
    hub = [{"given_name": f"Given{n}", "family_name": f"Family{n}", "phone": "206-518-4400"} for n in range(70)]
    entries = _entries(*hub, {**hub[0], "email": "x77y@example.com"})
    index = MemoryIndex()
    index.add(entries)
    matches = Matcher(model, index).match(entries[-1:], only_earlier=True)
    assert all("CONTESTED_IDENTIFIER" in blocks(matches, row) for row in range(len(matches.left)))
    assert (matches.grade < Grade.CERTAIN).all()


def test_look_alike_letters_may_propose_and_never_approve(model: Model) -> None:
    matches = _pair(model, ANNA, ANNA | {"given_name": "\u0410nna"})
    assert matches.score[0] > 0.9
    assert "LOOKALIKE" in blocks(matches, 0)


def test_folded_addresses_are_no_equal_identifier(model: Model) -> None:
    one = {
        "given_name": "Anna",
        "family_name": "Marchetti",
        "email": "zx.qv77@gmail.com",
        "date_of_birth": "1982-04-12",
    }
    matches = _pair(model, one, one | {"email": "zxqv77@gmail.com"})
    assert "NO_EQUAL_IDENTIFIER" in blocks(matches, 0)


def test_a_contradiction_is_not_drowned_by_agreement(model: Model) -> None:
    agreeing, contradicting = _pair(model, ANNA, ANNA), _pair(model, ANNA, ANNA | {"date_of_birth": "1951-11-27"})
    assert contradicting.score[0] < agreeing.score[0]
    assert {e.field: e.weight for e in evidence_of(contradicting, 0, model)}["date_of_birth"] < 0


def test_another_birth_date_is_never_certain_however_much_agrees(model: Model) -> None:
    matches = _pair(model, ANNA, ANNA | {"date_of_birth": "1951-11-27"})
    assert matches.grade[0] < Grade.CERTAIN
    assert "CONTRADICTED" in blocks(matches, 0)


def test_a_shared_rare_name_says_more_than_a_shared_common_one(model: Model) -> None:
    rare = {"given_name": "Anna", "family_name": "Wachendorf"}
    common = {"given_name": "Given1", "family_name": "Family1"}
    assert _pair(model, rare, rare).score[0] > _pair(model, common, common).score[0]


def test_weights_and_the_rest_add_up_to_the_score(model: Model) -> None:
    scores = _pair(model, ANNA, ANNA | {"given_name": "Bruno"}).scores
    assert scores.rest[0] + scores.weights[0].sum() == pytest.approx(scores.logit[0])


def test_an_equal_rare_identifier_weighs_more_than_an_equal_name_and_elsewhere_speaks_against(model: Model) -> None:
    one = ANNA | {"street": "12 Elm Street", "city": "Duluth", "postal_code": "55802"}
    other = ANNA | {"street": "9 Bay Road", "city": "Tampa", "postal_code": "33602"}
    weight = {e.field: e.weight for e in evidence_of(_pair(model, one, other), 0, model)}
    assert weight["email"] > weight["given_name"] > 0
    assert weight["address"] < 0


def test_evidence_has_a_digest_that_changes_with_it(model: Model) -> None:
    same, again = _pair(model, ANNA, ANNA), _pair(model, ANNA, ANNA | {"phone": "(206) 518.4492"})
    other = _pair(model, ANNA, ANNA | {"phone": "206-518-4499"})
    assert evidence_digest(same, 0) == evidence_digest(again, 0)
    assert evidence_digest(same, 0) != evidence_digest(other, 0)


OFFICE = {"email": "office@acme-tools.com"}
CLERK = {name: value for name, value in ANNA.items() if name != "street"} | OFFICE


@pytest.mark.parametrize(
    ("one", "other", "more", "limit"),
    [
        (ANNA, ANNA, (), None),
        (ANNA, ANNA | {"given_name": "Bruno"}, (), "other given name"),
        (ANNA | {"family_name": "Marchetti Sr"}, ANNA | {"family_name": "Marchetti Jr"}, (), "suffix conflict"),
        (CLERK, CLERK, ({"full_name": "Dmitri Okafor", **OFFICE},), "contested identifier"),
    ],
)
def test_the_evidence_adds_up_to_the_score_with_what_limits_took_away(
    model: Model, one: dict[str, str], other: dict[str, str], more: tuple[dict[str, str], ...], limit: str | None
) -> None:
    matches = _pair(model, one, other, *more)
    evidence = {e.field: e for e in evidence_of(matches, 0, model)}
    held = evidence.get("limits")
    assert (held.level if held else None) == limit
    assert sum(e.weight for e in evidence.values()) * BIT == pytest.approx(logit_of(matches.score)[0], abs=0.01)


def test_the_evidence_names_the_likeliest_way_for_two_people_to_be_so_alike(model: Model) -> None:
    evidence = {e.field: e for e in evidence_of(_pair(model, ANNA, ANNA | {"given_name": "Carla"}), 0, model)}
    rest = evidence["other_explanation"]
    assert rest.level in {kind.name for kind in model.explanations} - {"chance"}
    assert rest.weight < 0


def test_a_pair_whose_given_name_is_a_mere_initial_says_so(model: Model) -> None:
    one = {name: value for name, value in ANNA.items() if name in {"family_name", "phone", "street", "city"}}
    assert "WEAK_GIVEN_NAME" in blocks(_pair(model, one | {"given_name": "A"}, one | {"given_name": "Anna"}), 0)


def test_a_candidate_id_belongs_to_the_pair_in_either_order() -> None:
    assert candidate_id("t", "A", "B") == candidate_id("t", "B", "A") != candidate_id("u", "A", "B")


def test_a_record_meets_only_those_before_it_and_each_pair_once(model: Model) -> None:
    entries = _entries(ANNA, ANNA, ANNA)
    index = MemoryIndex()
    index.add(entries)
    matches = Matcher(model, index).match(entries, only_earlier=True)
    assert sorted((a.number, b.number) for a, b in zip(matches.left, matches.right, strict=True)) == [
        (1, 0),
        (2, 0),
        (2, 1),
    ]
    both_ways = Matcher(model, index).match(entries, only_earlier=False)
    assert len(both_ways.left) == 3


def test_linking_leaves_pairs_within_one_source_out(model: Model) -> None:
    entries = _entries(ANNA | {"source": "a"}, ANNA | {"source": "a"}, ANNA | {"source": "b"})
    index = MemoryIndex()
    index.add(entries)
    matches = Matcher(model, index).match(entries, only_earlier=True, link_sources=True)
    assert {(a.source, b.source) for a, b in zip(matches.left, matches.right, strict=True)} == {("b", "a")}


def test_an_empty_batch_gives_no_pairs(model: Model) -> None:
    assert len(Matcher(model, MemoryIndex()).match([], only_earlier=True).score) == 0


def test_the_shipped_model_is_written_as_it_is_read(model: Model) -> None:
    again = parse_model(format_model(model))
    assert format_model(again) == format_model(model)
    assert again.version == model.version


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data.pop("match"), "incomplete"),
        (lambda data: data.update(format=99), "format 99"),
        (lambda data: data.pop("format"), "no 'format'"),
        (lambda data: data["match"].update(given_name=[0.5, 0.5]), "given_name has 2 levels"),
        (lambda data: data["match"].update(shoe_size=[0.5, 0.5]), "shoe_size"),
        (lambda data: data.update(duplicates_per_record=0), "out of order"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_with_the_reason(model: Model, damage: object, said: str) -> None:
    data = json.loads(format_model(model))
    damage(data)  # type: ignore[operator]
    with pytest.raises(ModelError, match=said):
        parse_model(json.dumps(data))


def test_levels_of_no_pairs_are_an_empty_matrix() -> None:
    assert compare([], []).shape == (0, len(FIELDS))
    assert compare([], []).dtype == np.int8
