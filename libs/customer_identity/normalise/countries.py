"""Countries by the names, codes and short forms that sources write, as alpha-2 codes."""

from typing import Final

_NAMES: Final = """
us usa|united states|united states of america|u.s.|u.s.a.|america|estados unidos|etats-unis|vereinigte staaten
gb gbr|uk|u.k.|united kingdom|great britain|england|scotland|wales|northern ireland
ca can|canada
au aus|australia
nz nzl|new zealand
ie irl|ireland|eire
de deu|ger|d|germany|deutschland|allemagne|alemania
at aut|austria|osterreich
ch che|switzerland|schweiz|suisse|svizzera
fr fra|france|frankreich|francia
es esp|spain|espana|spanien
pt prt|portugal
it ita|italy|italia|italien
nl nld|netherlands|the netherlands|nederland|holland
be bel|belgium|belgie|belgique|belgien
lu lux|luxembourg|luxemburg
dk dnk|denmark|danmark
se swe|sweden|sverige
no nor|norway|norge
fi fin|finland|suomi
is isl|iceland|island
pl pol|poland|polska
cz cze|czech republic|czechia|cesko|ceska republika
sk svk|slovakia|slovensko
hu hun|hungary|magyarorszag
ro rou|romania
bg bgr|bulgaria
gr grc|greece|ellada|hellas
hr hrv|croatia|hrvatska
rs srb|serbia|srbija
si svn|slovenia|slovenija
ua ukr|ukraine|ukraina
ru rus|russia|russian federation|rossiya
tr tur|turkey|turkiye
il isr|israel
ae are|united arab emirates|uae
sa sau|saudi arabia
eg egy|egypt
ma mar|morocco|maroc
za zaf|south africa
ng nga|nigeria
ke ken|kenya
in ind|india|bharat
pk pak|pakistan
bd bgd|bangladesh
cn chn|china|中国|中國
hk hkg|hong kong|香港
tw twn|taiwan|台湾|臺灣
jp jpn|japan|日本|日本国|nippon
kr kor|korea|south korea|republic of korea|hangug|daehanmingug
sg sgp|singapore
my mys|malaysia
th tha|thailand
vn vnm|vietnam|viet nam
ph phl|philippines
id idn|indonesia
mx mex|mexico
br bra|brazil|brasil
ar arg|argentina
cl chl|chile
co col|colombia
pe per|peru
"""
COUNTRIES: Final = {name: line[:2] for line in _NAMES.strip().splitlines() for name in (line[:2], *line[3:].split("|"))}
