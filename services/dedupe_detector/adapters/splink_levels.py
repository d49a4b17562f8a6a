"""The comparison levels of customer_identity.comparison as conditions of Spark SQL, for Splink.

A comparison lists its levels from the best down, so that Splink's number of a level (gamma) is ours. Spark has no equal
of `ratio` (its edits are told from Levenshtein distance and lengths), and Jaro-Winkler is that of Splink's own library;
what customer_identity knows of scripts and middle names is left out. docs/backfill.md tells how far apart scores are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NO_LEVEL: Final = "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkComparison:
    """One field: when it tells nothing, and the condition of each level but the lowest, the best first."""

    missing: str
    levels: tuple[str, ...]
    frequency_column: str | None
    """The column whose values are counted: an equal one says more when it is rare."""


def _absent(column: str) -> str:
    return f"({column}_l IS NULL OR {column}_r IS NULL)"


def _equal(column: str) -> str:
    return f"{column}_l = {column}_r"


def _alike(one: str, other: str, bound: float) -> str:
    return f"coalesce(jaro_winkler({one}, {other}) > {bound}, false)"


def _edits(one: str, other: str) -> str:
    return f"levenshtein({one}, {other})"


def _ratio(column: str) -> str:
    """Percent of letters two values have in common, from the edits and what the lengths say of their kind."""
    a, b = f"{column}_l", f"{column}_r"
    changed = f"(2 * {_edits(a, b)} - abs(length({a}) - length({b})))"
    return f"(100.0 * (1.0 - {changed} / (length({a}) + length({b}))))"


def _or_empty(value: str) -> str:
    return f"coalesce({value}, '')"


def _both(column: str) -> str:
    return f"({column}_l IS NOT NULL AND {column}_r IS NOT NULL)"


def _begins(long: str, short: str) -> str:
    return f"(length({short}) < length({long}) AND length({short}) <> 2 AND left({long}, length({short})) = {short})"


def _plain(column: str, *bounds: float, unless: str = _NO_LEVEL) -> SparkComparison:
    """Equal, or alike beyond each of the bounds, the highest first."""
    alike = (_alike(f"{column}_l", f"{column}_r", bound) for bound in bounds)
    missing = _absent(column) if unless == _NO_LEVEL else f"{_absent(column)} OR {unless}"
    return SparkComparison(missing=missing, levels=(_equal(column), *alike), frequency_column=column)


def _edited(column: str, *, unless: str = _NO_LEVEL) -> SparkComparison:
    """Equal, one edit, two edits."""
    distance = _edits(f"{column}_l", f"{column}_r")
    missing = _absent(column) if unless == _NO_LEVEL else f"{_absent(column)} OR {unless}"
    levels = (_equal(column), f"{distance} <= 1", f"{distance} <= 2")
    return SparkComparison(missing=missing, levels=levels, frequency_column=column)


_SAME_ROOT: Final = "coalesce(arrays_overlap(split(roots_l, ' '), split(roots_r, ' ')), false)"
_GIVEN_3: Final = f"({_alike('given_l', 'given_r', 0.92)} OR {_SAME_ROOT})"
_GIVEN_CLOSE: Final = f"coalesce(given_l = given_r OR {_GIVEN_3}, false)"
_FAMILY_3: Final = (
    f"({_alike('family_l', 'family_r', 0.92)} OR replace(family_l, ' ', '') = replace(family_r, ' ', ''))"
)
_FAMILY_CLOSE: Final = f"coalesce(family_l = family_r OR {_FAMILY_3}, false)"
_LONE: Final = " OR ".join(
    f"(({own}_{a} IS NULL) AND {_alike(f'{name}_{a}', f'{own}_{b}', 0.92)})"
    for a, b in (("l", "r"), ("r", "l"))
    for name, own in (("given", "family"), ("family", "given"))
)
"""One of the two has but one name, and it is the other's name of the other column."""
_EXCHANGED: Final = (
    f"(NOT {_GIVEN_CLOSE} AND NOT {_FAMILY_CLOSE} AND (({_alike('given_l', 'family_r', 0.85)} AND "
    f"{_alike('family_l', 'given_r', 0.85)}) OR {_LONE}))"
)
_STREETS: Final = _both("street")


def _given() -> SparkComparison:
    begins = f"({_begins('given_l', 'given_r')} OR {_begins('given_r', 'given_l')})"
    return SparkComparison(
        missing=f"({_absent('given')} AND NOT {_EXCHANGED})",
        levels=(
            f"coalesce({_equal('given')}, false)",
            _EXCHANGED,
            _GIVEN_3,
            f"{_alike('given_l', 'given_r', 0.85)} OR {begins}",
            _alike("given_l", "given_r", 0.7),
        ),
        frequency_column="given",
    )


def _family() -> SparkComparison:
    part = " OR ".join(f"array_contains(split(family_{a}, ' '), family_{b})" for a, b in (("l", "r"), ("r", "l")))
    return SparkComparison(
        missing=f"{_absent('family')} OR {_EXCHANGED}",
        levels=(
            _equal("family"),
            _FAMILY_3,
            f"{_alike('family_l', 'family_r', 0.85)} OR {part}",
            _alike("family_l", "family_r", 0.7),
        ),
        frequency_column="family",
    )


def _middle() -> SparkComparison:
    initial = "left(middle_l, 1) = left(middle_r, 1) AND (length(middle_l) = 1 OR length(middle_r) = 1)"
    return SparkComparison(
        missing=_absent("middle"),
        levels=(_equal("middle"), initial, _alike("middle_l", "middle_r", 0.8)),
        frequency_column="middle",
    )


def _gender() -> SparkComparison:
    return SparkComparison(
        missing=_absent("gender"),
        levels=(_equal("gender"), "NOT (gender_l IN ('m', 'f') AND gender_r IN ('m', 'f'))"),
        frequency_column="gender",
    )


def _birth_date() -> SparkComparison:
    a, b = "birth_date_l", "birth_date_r"
    year, month, day = (
        f"(substr({a}, {first}, {size}) = substr({b}, {first}, {size}))" for first, size in ((1, 4), (5, 2), (7, 2))
    )
    crossed = f"(substr({a}, 5, 2) = substr({b}, 7, 2) AND substr({a}, 7, 2) = substr({b}, 5, 2))"
    unsure = "(birth_date_ambiguous_l IS NOT NULL OR birth_date_ambiguous_r IS NOT NULL)"
    edits = _edits(a, b)
    two = f"({year} AND {month}) OR ({year} AND {day}) OR ({month} AND {day})"
    return SparkComparison(
        missing=_absent("birth_date"),
        levels=(
            f"{_equal('birth_date')} OR ({year} AND {crossed} AND {unsure})",
            f"{year} AND {crossed}",
            f"{edits} <= 1",
            f"{two} OR {edits} <= 2",
            f"{year} OR {edits} <= 3",
        ),
        frequency_column="birth_date",
    )


def _email() -> SparkComparison:
    """Likeness of two addresses, with what the persons' own names explain taken out."""
    same = _equal("email_local")
    domain = (
        "(email_domain_l IS NULL OR email_domain_r IS NULL OR email_domain_l = email_domain_r"
        f" OR {_edits('email_domain_l', 'email_domain_r')} <= 2)"
    )
    digits = "coalesce(email_digits_l = email_digits_r, false)"
    many = "(length(email_digits_l) >= 4 AND length(email_digits_r) >= 4)"
    nothing_left = "(email_rest_l = '-' AND email_rest_r = '-')"
    whole = "(length(email_rest_l) >= length(email_local_l) AND length(email_rest_r) >= length(email_local_r))"
    bounds = (90, 80, 60)
    rest = [f"({digits} OR {whole} OR {_ratio('email_rest')} > {bound})" for bound in bounds]
    three = f"({_ratio('email_local')} > {bounds[0]} OR ({many} AND {digits}))"
    near_digits = f"coalesce({many} AND {_edits('email_digits_l', 'email_digits_r')} <= 1, false)"
    two = f"({three} OR {_ratio('email_local')} > {bounds[1]} OR {near_digits})"
    one = f"({two} OR {_ratio('email_local')} > {bounds[2]})"
    explained = f"({same} AND NOT {domain} AND email_rest_l = '-')"
    explained_too = f"(NOT {same} AND NOT {digits} AND {nothing_left})"
    return SparkComparison(
        missing=f"{_absent('email_local')} OR {explained} OR {explained_too}",
        levels=(
            f"{same} AND {domain}",
            same,
            f"{three} AND {rest[0]}",
            f"{two} AND {rest[1]}",
            f"{one} AND {rest[2]}",
        ),
        frequency_column="email",
    )


def _phone() -> SparkComparison:
    a, b = "phone_l", "phone_r"
    conflict = "coalesce(extension_l <> extension_r, false)"
    edits = f"({_edits(a, b)} + CASE WHEN {conflict} THEN {_edits('extension_l', 'extension_r')} ELSE 0 END)"
    ends = (
        f"(length({a}) >= 8 AND length({b}) >= 8 AND (right({a}, length({b})) = {b} OR right({b}, length({a})) = {a}))"
    )
    seven = f"(right({a}, 7) = right({b}, 7) AND coalesce(extension_l, '') = coalesce(extension_r, ''))"
    return SparkComparison(
        missing=_absent("phone"),
        levels=(
            f"{edits} = 0 OR (NOT {conflict} AND {ends})",
            f"{edits} <= 1",
            f"{edits} <= 2 OR {seven}",
            f"{edits} <= 4",
        ),
        frequency_column="phone",
    )


def _address() -> SparkComparison:
    """Where both have a street, the address is one field."""
    equal = "coalesce(postcode_l = postcode_r, false) OR coalesce(city_l = city_r, false)"
    unknown = f"NOT {_both('postcode')} AND NOT {_both('city')}"
    slip = f"coalesce({_edits('postcode_l', 'postcode_r')} <= 1, false)"
    near = f"({equal} OR ({unknown}) OR {slip} OR {_alike('city_l', 'city_r', 0.88)})"
    street = f"(CASE WHEN street_l = street_r THEN 100.0 ELSE {_ratio('street')} END)"
    fits = "coalesce(number_l = number_r, true)"
    other_unit = "coalesce(unit_l <> unit_r, false)"
    close_number = f"{_edits(_or_empty('number_l'), _or_empty('number_r'))} <= 1"
    return SparkComparison(
        missing=_absent("street"),
        levels=(
            f"{near} AND {street} >= 97 AND {fits} AND NOT {other_unit}",
            f"{near} AND (({street} >= 80 AND {fits}) OR ({street} > 75 AND ({equal}) AND {close_number}))",
            f"{near} AND {street} > 60",
            near,
        ),
        frequency_column="dwelling",
    )


SPARK_COMPARISONS: Final[Mapping[str, SparkComparison]] = {
    "given_name": _given(),
    "family_name": _family(),
    "middle_name": _middle(),
    "suffix": SparkComparison(missing=_absent("suffix"), levels=(_equal("suffix"),), frequency_column=None),
    "gender": _gender(),
    "date_of_birth": _birth_date(),
    "email": _email(),
    "phone": _phone(),
    "address": _address(),
    "postal_code": _edited("postcode", unless=_STREETS),
    "city": _plain("city", 0.88, 0.75, unless=_STREETS),
    "region": SparkComparison(
        missing=f"{_absent('region')} OR {_STREETS}", levels=(_equal("region"),), frequency_column="region"
    ),
    "national_id": _edited("national_id"),
    "occupation": _plain("occupation", 0.9, 0.7),
}
"""By the names of customer_identity.comparison.fields."""
