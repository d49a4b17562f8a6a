"""The weights of a score as rows, as bars of letters and as a picture."""

import math
import xml.etree.ElementTree as ET

import pytest

from customer_identity.approval import EvidenceItem
from customer_identity.explanation import Finding, picture, steps, weight_rows

SVG = "{http://www.w3.org/2000/svg}"


def item(field: str, level: str, weight: float) -> EvidenceItem:
    return EvidenceItem(field=field, level=level, weight=weight)


def finding(*evidence: EvidenceItem, score: float | None = None) -> Finding:
    """A finding whose evidence adds up to its score unless that is given."""
    total = sum(one.weight for one in evidence)
    return Finding(score=1 / (1 + 2.0**-total) if score is None else score, grade="probable", evidence=evidence)


WHOLE = finding(
    item("city", "different", -2.0),
    item("limits", "contested identifier", -1.5),
    item("other_explanation", "twins", -20.0),
    item("gender", "equal", 0.01),
    item("email", "equal", 17.0),
    item("other_records", "of the same person agree", 1.5),
    item("family_name", "equal", 9.0),
)


def test_fields_come_first_from_for_to_against_then_what_stands_beside_them() -> None:
    found = steps(WHOLE)
    assert [(row.name, row.weight) for row in found.rows] == [
        ("e-mail address", 17.0),
        ("family name", 9.0),
        ("city", -2.0),
        ("other records", 1.5),
        ("other explanations", -20.0),
        ("limits", -1.5),
    ]
    assert found.rows[4].level == "twins"


def test_each_weight_begins_where_the_last_one_ended_and_all_add_up_to_the_score() -> None:
    found = steps(WHOLE)
    assert [row.start for row in found.rows][1:] == [row.end for row in found.rows][:-1]
    assert 1 / (1 + 2.0**-found.total) == pytest.approx(WHOLE.score, abs=0.01)


def test_what_evidence_of_fields_alone_leaves_out_gets_a_row() -> None:
    found = steps(finding(item("email", "exact", 12.0), item("city", "different", -2.0), score=0.5))
    assert [row.name for row in found.rows] == ["e-mail address", "city", "all else"]
    assert found.rows[-1].weight == pytest.approx(-10.0)


@pytest.mark.parametrize("score", [1.0, 0.0])
def test_a_score_beyond_what_a_probability_can_tell_leaves_nothing_out(score: float) -> None:
    sure = 60.0 if score else -60.0
    assert len(steps(finding(item("email", "equal", sure), score=score)).rows) == 1


def test_bars_of_letters_grow_from_one_line_and_are_longest_for_the_heaviest() -> None:
    rows = weight_rows(WHOLE)
    assert [row[2] for row in rows] == ["+17.00", "+9.00", "-2.00", "+1.50", "-20.00", "-1.50"]
    bars = [row[3] for row in rows]
    assert {bar.index("│") for bar in bars} == {10}
    assert bars[4] == "░" * 10 + "│"
    assert bars[0].count("█") == 8
    assert bars[3].count("█") == 1
    assert weight_rows(finding(score=0.5)) == []


def drawn(found: Finding) -> ET.Element:
    return ET.fromstring(picture(found, standalone=True))  # noqa: S314 - our own


def test_the_picture_is_a_file_of_its_own_with_a_bar_a_weight_and_one_for_their_sum() -> None:
    root = drawn(WHOLE)
    bars = [rect.get("class") for rect in root.iter(f"{SVG}rect")]
    assert bars == ["paper", "for", "for", "against", "for", "against", "against", "total"]
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert "+17.0" in words
    assert "\N{MINUS SIGN}20.0" in words
    assert "match probability 94 %" in words


def test_the_picture_can_be_read_aloud() -> None:
    root = drawn(WHOLE)
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext(f"{SVG}title")
    described = root.findtext(f"{SVG}desc") or ""
    assert described.startswith("Probably one person (94 %): same e-mail address and family name")
    assert "city different -2.0" in described


def test_nothing_of_the_picture_lies_outside_it() -> None:
    for found in (WHOLE, finding(item("a", "b", -90.0)), finding(item("a", "b", 0.1)), finding(score=0.0)):
        root = drawn(found)
        width, height = map(float, (root.get("viewBox") or "").split()[2:])
        for rect in root.iter(f"{SVG}rect"):
            left, top = float(rect.get("x", "0")), float(rect.get("y", "0"))
            assert 0 <= left <= left + float(rect.get("width", "0")) <= width
            assert 0 <= top <= top + float(rect.get("height", "0")) <= height


def test_names_that_hold_markup_or_are_very_long_do_no_harm() -> None:
    root = drawn(finding(item("<script>&", "x" * 200, 3.0)))
    assert root.find(f".//{SVG}script") is None
    assert "x" * 39 + "…" in [text.text for text in root.iter(f"{SVG}text")]


def test_a_picture_in_a_page_brings_neither_style_nor_paper() -> None:
    inline = picture(WHOLE)
    assert "<style>" not in inline
    assert "paper" not in inline
    assert math.isclose(ET.fromstring(inline).get("viewBox", "").count(" "), 3)  # noqa: S314 - our own
