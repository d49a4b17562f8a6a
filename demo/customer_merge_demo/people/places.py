"""Places to live in: real towns and post codes, invented streets, numbers kept for fiction.

Telephone numbers lie in the 555 exchange, whose 0xxx lines are assigned to nobody, and e-mail
addresses under domains reserved for examples: nobody can be reached by accident.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """A town with the first three digits of its ZIP codes and its area codes."""

    city: str
    region: str
    zip_prefix: str
    area_codes: tuple[str, ...]


def _town(line: str) -> Town:
    city, region, zip_prefix, area_codes = line.split("|")
    return Town(city=city, region=region, zip_prefix=zip_prefix, area_codes=tuple(area_codes.split(",")))


TOWNS: tuple[Town, ...] = tuple(
    _town(line.strip())
    for line in """
    Albany|NY|122|518,838
    Albuquerque|NM|871|505
    Ann Arbor|MI|481|734
    Atlanta|GA|303|404,470,678
    Austin|TX|787|512,737
    Baltimore|MD|212|410,443,667
    Boise|ID|837|208,986
    Boston|MA|021|617,857
    Boulder|CO|803|303,720
    Buffalo|NY|142|716
    Charleston|SC|294|843,854
    Charlotte|NC|282|704,980
    Chicago|IL|606|312,773,872
    Cincinnati|OH|452|513
    Cleveland|OH|441|216
    Columbus|OH|432|614,380
    Dallas|TX|752|214,469,972
    Denver|CO|802|303,720
    Des Moines|IA|503|515
    Detroit|MI|482|313
    Eugene|OR|974|541,458
    Fresno|CA|937|559
    Hartford|CT|061|860,959
    Houston|TX|770|713,281,832
    Indianapolis|IN|462|317,463
    Kansas City|MO|641|816
    Knoxville|TN|379|865
    Lexington|KY|405|859
    Lincoln|NE|685|402,531
    Los Angeles|CA|900|213,310,323
    Louisville|KY|402|502
    Madison|WI|537|608
    Memphis|TN|381|901
    Miami|FL|331|305,786
    Milwaukee|WI|532|414
    Minneapolis|MN|554|612
    Nashville|TN|372|615,629
    New Orleans|LA|701|504
    Oakland|CA|946|510,341
    Omaha|NE|681|402,531
    Orlando|FL|328|407,689
    Philadelphia|PA|191|215,267,445
    Phoenix|AZ|850|602,480,623
    Pittsburgh|PA|152|412,878
    Portland|ME|041|207
    Portland|OR|972|503,971
    Providence|RI|029|401
    Raleigh|NC|276|919,984
    Richmond|VA|232|804
    Rochester|NY|146|585
    Sacramento|CA|958|916,279
    Salt Lake City|UT|841|801,385
    San Antonio|TX|782|210,726
    San Diego|CA|921|619,858
    Seattle|WA|981|206
    Spokane|WA|992|509
    St. Louis|MO|631|314
    Tampa|FL|336|813
    Tucson|AZ|857|520
    Tulsa|OK|741|918,539
    """.strip().splitlines()
)

_STREETS = """
Alder Ash Aspen Beacon Birch Bluff Bridge Brook Canal Cedar Chapel Cherry Chestnut Church Clay Clinton College
Commerce Cottage Court Creek Cypress Dogwood Dover Elm Fairview Forest Franklin Front Garden Glen Granite Grove
Harbor Harrison Hawthorn Hazel Heron Hickory Highland Hill Holly Howard Jefferson Juniper Lake Laurel Liberty
Linden Locust Lincoln Madison Magnolia Main Maple Market Meadow Mill Monroe Mulberry Oak Orchard Park Pine
Pleasant Poplar Prospect Quail Quarry Railroad Ridge River Rose School Spring Spruce State Summit Sycamore Union
Valley Vine Walnut Washington Water Willow Winding Woodland
"""
STREETS: tuple[str, ...] = tuple(_STREETS.split())

# Full form and the ways it is written.
STREET_TYPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Street", ("St", "St.", "Street")),
    ("Avenue", ("Ave", "Ave.", "Avenue")),
    ("Road", ("Rd", "Road")),
    ("Drive", ("Dr", "Dr.", "Drive")),
    ("Lane", ("Ln", "Lane")),
    ("Boulevard", ("Blvd", "Boulevard")),
    ("Court", ("Ct", "Court")),
)

# Stand-ins for free mail providers, and for employers.
MAIL_DOMAINS: tuple[str, ...] = (
    "mail.example.com",
    "post.example.net",
    "inbox.example.org",
    "webmail.example.com",
    "letters.example.net",
)
_WORK_DOMAINS = """
harborfreight-co.example.com northlight.example.com tri-county-health.example.org oakridge-schools.example.org
redwoodpartners.example.com lakesidelegal.example.com summit-builders.example.net pioneerfoods.example.com
blueheron.example.net civicworks.example.org
"""
WORK_DOMAINS: tuple[str, ...] = tuple(_WORK_DOMAINS.split())
_HANDLES = """
bookworm trailrunner gardener nightowl sunnyday bluebird oldsalt redfox baker cyclist skylark riverrat snowdrop
starling quilter angler potter drummer beekeeper hillwalker rowboat lighthouse woodcarver marigold kingfisher
hummingbird sourdough tinkerer
"""
HANDLES: tuple[str, ...] = tuple(_HANDLES.split())
