"""Grades: what a score and its cautions are good for."""

from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from customer_identity.comparison import fields as f
from customer_identity.matching.cautions import Cautions
from customer_identity.matching.model import Model

_ANCHORS: Final = [f.BIRTH_DATE, f.EMAIL, f.PHONE, f.NATIONAL_ID]
_GARBLED_NAME_SCORE: Final = 0.998  # garbled names need two equal anchors and this score


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


def grade(score: NDArray[np.float64], levels: NDArray[np.int8], cautions: Cautions, model: Model) -> NDArray[np.int8]:
    """Grades of n pairs; NONE for pairs not worth showing.

    Certain asks for more than a high score: names that fit, evidence beside them, and nothing that tells of two people.
    """
    out = np.searchsorted([model.possible, model.probable], score, side="right").astype(np.int8)
    missing = np.array([f.GIVEN, f.FAMILY])
    names = np.where(levels[:, missing] == f.MISSING, np.int8(2), levels[:, missing])
    anchors = (levels[:, _ANCHORS] == np.asarray(f.EXACT)[_ANCHORS]).sum(axis=1)
    names_fit = (names.min(axis=1) >= 2) | (
        ~cautions.unlike_given_name & (names.max(axis=1) >= 1) & (anchors >= 2) & (score >= _GARBLED_NAME_SCORE)
    )
    doubt = (
        cautions.contested
        | cautions.suffix_conflict
        | cautions.name_only
        | cautions.other_given_name
        | cautions.weak_given_name
        | cautions.contradicted
    )
    return np.where((score >= model.certain) & names_fit & ~doubt, np.int8(Grade.CERTAIN), out)
