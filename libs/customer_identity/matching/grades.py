"""Grades: what a score and its cautions are good for."""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison import fields as f
from customer_identity.matching.cautions import Cautions
from customer_identity.matching.model import Model

_KNOWN_BASE: Final = 200
"""Records after which the model is fitted to the base for the first time."""
_OF_ONE_PERSON: Final = [f.EMAIL, f.NATIONAL_ID]
_IDENTIFIERS: Final = [*_OF_ONE_PERSON, f.BIRTH_DATE, f.PHONE, f.ADDRESS]
_SAME_GIVEN_NAME: Final = [f.EXACT[f.GIVEN], f.EXACT[f.GIVEN] - 1]
"""Equal, or equal to the other's family name and the other way round."""


class Grade(IntEnum):
    """How sure the detector is; only CERTAIN may ever merge without a person."""

    NONE = 0
    POSSIBLE = 1
    PROBABLE = 2
    CERTAIN = 3

    @property
    def label(self) -> str:
        """Lower-case name, as files show it."""
        return self.name.lower()


def grade(
    score: NDArray[np.float64],
    cautions: Cautions,
    model: Model,
    levels: NDArray[np.int8],
    records: NDArray[np.float64],
) -> NDArray[np.int8]:
    """Grades of n pairs by their own scores; NONE for pairs not worth showing.

    Certain asks for more than a high score: nothing must tell of two people. And a score is worth what is known of the
    base: while it has few `records` (the batch's own not counted) it shows neither what is rare in it nor how its
    people differ, and only what is equal where it counts is certain.
    """
    doubt = (
        cautions.unproved
        | cautions.suffix_conflict
        | cautions.name_only
        | cautions.other_given_name
        | cautions.weak_given_name
        | cautions.doubtful_given_name
        | cautions.contradicted
    )
    trusted = (records >= _KNOWN_BASE) | _equal(levels)
    return np.where((score >= model.certain) & ~doubt & trusted, np.int8(Grade.CERTAIN), plain_grade(score, model))


def _equal(levels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Equal given names, and an equal identifier that people hardly share or two of any kind.

    Twins and couples of names alike share all but the given name; two namesakes may share a birthday.
    """
    equal = levels == np.asarray(f.EXACT)
    identified = equal[:, _OF_ONE_PERSON].any(axis=1) | (equal[:, _IDENTIFIERS].sum(axis=1) >= 2)
    out: NDArray[np.bool_] = np.isin(levels[:, f.GIVEN], _SAME_GIVEN_NAME) & identified
    return out


def plain_grade(score: NDArray[np.float64], model: Model) -> NDArray[np.int8]:
    """Grades below certain: what a score is worth when it is not the records' own."""
    return np.searchsorted([model.possible, model.probable], score, side="right").astype(np.int8)
