"""A score explained: what the detector told of a pair as a sentence, as a table with bars, and as a picture.

All of it comes from what every merge-candidate event carries; nothing here holds or needs anybody's data.
"""

from customer_identity.explanation.bars import WEIGHT_COLUMNS, WEIGHTS_TITLE, weight_rows
from customer_identity.explanation.finding import EvidenceItem, Finding
from customer_identity.explanation.picture import PICTURE_STYLE, picture
from customer_identity.explanation.sentence import sentence
from customer_identity.explanation.steps import Step, Steps, steps

__all__ = [
    "PICTURE_STYLE",
    "WEIGHTS_TITLE",
    "WEIGHT_COLUMNS",
    "EvidenceItem",
    "Finding",
    "Step",
    "Steps",
    "picture",
    "sentence",
    "steps",
    "weight_rows",
]
