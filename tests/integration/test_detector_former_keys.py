"""Keys that a release before this one stored: they go with the record, and when it is read again."""

from typing import Any, Final

from customer_identity.blocking import key_code
from customer_identity.normalise.names import sound
from customer_identity.normalise.record import NORMALISER_VERSION
from rig.bare_detector import Detector
from rig.detector_world import TENANT, created, erased, updated

ANN: Final[dict[str, Any]] = {
    "given_name": "Ann",
    "family_name": "Lee",
    "email": "ann.lee84@post.example",
    "phone": "+1-312-555-0142",
    "date_of_birth": "1984-05-23",
    "street": "12 Elm Street",
    "postal_code": "60601",
    "country": "US",
}
# As they were: family and value.
FORMER = [
    (7, "post.example"),
    (10, "312550142"),
    (14, f"{sound('ann')} l"),
    (16, f"60601 {sound('lee')}"),
    (16, f"60601 {sound('ann')}"),
    (19, "elm ann"),
    (19, "elm lee"),
    *((20, parts + initial) for parts in ("y1984m05", "y1984d23", "m05d23") for initial in "al"),
]
FORMER_OF_MAIL = [(8, "198a"), (8, "984a"), (8, "198l"), (8, "984l")]


def _stored_by_a_release_before(detector: Detector, customer_id: str, former: list[tuple[int, str]]) -> None:
    with detector.engine.begin() as connection:
        for family, value in former:
            connection.exec_driver_sql(
                "INSERT INTO detector.postings SELECT %s, number FROM detector.records WHERE customer_id = %s"
                " ON CONFLICT DO NOTHING",
                (key_code(TENANT, family, value), customer_id),
            )
        connection.exec_driver_sql(
            "UPDATE detector.records SET normaliser = %s WHERE customer_id = %s", (NORMALISER_VERSION - 1, customer_id)
        )


def _postings(detector: Detector) -> set[int]:
    return {code for (code,) in detector.sql("SELECT code FROM detector.postings")}


def test_no_key_of_an_erased_customer_is_left_whichever_release_stored_it(detector: Detector) -> None:
    detector.receive(created("A", **ANN))
    _stored_by_a_release_before(detector, "A", FORMER)
    detector.receive(erased("A", version=2))
    assert _postings(detector) == set()


def test_keys_of_a_release_before_go_when_a_record_is_read_again(detector: Detector) -> None:
    detector.receive(created("A", **{**ANN, "email": "ann1984@post.example"}))
    todays = _postings(detector)
    _stored_by_a_release_before(detector, "A", [*FORMER, *FORMER_OF_MAIL])
    assert len(_postings(detector)) > len(todays)
    detector.receive(updated("A", version=1, **{**ANN, "email": "ann1984@post.example"}))
    assert _postings(detector) == todays
