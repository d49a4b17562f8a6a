"""Which records a look-up compares: those that share enough, and few of the many that share a single key."""

from customer_identity.blocking import FREE_BY_ONE_KEY
from customer_identity.matching.candidates import candidates_of
from customer_identity.matching.index import Entry, MemoryIndex, records_code
from customer_identity.normalise import normalise
from customer_identity.records import CustomerRecord

_FAMILIES = ("abel", "bork", "crane", "dunn", "eddy", "frost", "gould", "hobbs", "ives", "jupp", "kerr", "lund")


def _entry(number: int, family: str, city: str = "") -> Entry:
    record = CustomerRecord(tenant_id="t", customer_id=f"c{number}", given_name="Zelda", family_name=family, city=city)
    return Entry(number=number, tenant_id="t", customer_id=f"c{number}", version=1, source="", record=normalise(record))


def test_of_many_who_share_one_key_few_are_compared_and_of_those_who_share_two_all() -> None:
    index = MemoryIndex()
    strangers = [_entry(number, family) for number, family in enumerate(_FAMILIES)]
    neighbours = [
        _entry(number, family, "Ely") for number, family in enumerate(("moss", "nash", "otis", "penn"), len(strangers))
    ]
    looked_up = _entry(len(strangers) + len(neighbours), "quine", "Ely")
    index.add([*strangers, *neighbours, looked_up])
    # In a base of this size a given name of seventeen holders is just rare enough by itself.
    index.count(records_code("t"), 30_000)
    found = set(candidates_of(index, [looked_up], only_earlier=True).numbers.tolist())
    assert {one.number for one in neighbours} <= found
    assert len(found & {one.number for one in strangers}) == FREE_BY_ONE_KEY
