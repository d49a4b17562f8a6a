"""Random histories of customers: what the detector told last of each pair is what holds."""

from rig.bare_detector import Detector
from rig.detector_histories import History, random_steps

HISTORIES = 6
STEPS = 20


def test_after_any_history_what_was_told_last_of_each_pair_is_what_holds(detector: Detector) -> None:
    for seed in range(HISTORIES):
        history = History(detector=detector, tenant=str(seed))
        taken: list[str] = []
        try:
            taken.extend(random_steps(history, seed, STEPS))
        except AssertionError as fault:
            fault.add_note(f"history {seed}, after {', '.join(taken[-12:])}")
            raise
