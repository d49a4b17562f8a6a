"""Grades: what a score and its cautions are good for."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from customer_identity.matching.cautions import Cautions
from customer_identity.matching.model import Model


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


def grade(score: NDArray[np.float64], cautions: Cautions, model: Model) -> NDArray[np.int8]:
    """Grades of n pairs by their own scores; NONE for pairs not worth showing.

    Certain asks for more than a high score: nothing must tell of two people.
    """
    doubt = (
        cautions.contested
        | cautions.suffix_conflict
        | cautions.name_only
        | cautions.other_given_name
        | cautions.weak_given_name
        | cautions.doubtful_given_name
        | cautions.contradicted
    )
    return np.where((score >= model.certain) & ~doubt, np.int8(Grade.CERTAIN), plain_grade(score, model))


def plain_grade(score: NDArray[np.float64], model: Model) -> NDArray[np.int8]:
    """Grades below certain: what a score is worth when it is not the records' own."""
    return np.searchsorted([model.possible, model.probable], score, side="right").astype(np.int8)
