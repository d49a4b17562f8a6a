"""Other scripts in Latin letters: enough to compare a name written in two scripts, not to print it.

Passport-style for Cyrillic, Greek, kana and Hangul; Arabic and Hebrew write consonants, so only those come out. Chinese
and Japanese ideographs stay as they are: how they are read is not in them.
"""

# ruff: noqa: RUF001 - letters of other scripts that look like Latin ones are what this file is about

import re
from typing import Final

_CYRILLIC_AND_GREEK: Final = (
    "а:a б:b в:v г:g д:d е:e ё:e ж:zh з:z и:i й:i к:k л:l м:m н:n о:o п:p р:r с:s т:t у:u ф:f х:kh ц:ts ч:ch ш:sh "
    "щ:shch ъ: ы:y ь: э:e ю:yu я:ya і:i ї:i є:ie ґ:g ў:u ј:j љ:lj њ:nj ћ:c ђ:dj џ:dz ѕ:dz ќ:k ѓ:g "
    "α:a β:v γ:g δ:d ε:e ζ:z η:i θ:th ι:i κ:k λ:l μ:m ν:n ξ:x ο:o π:p ρ:r σ:s ς:s τ:t υ:y φ:f χ:ch ψ:ps ω:o"
)
_ARABIC_AND_HEBREW: Final = (
    "ا:a ب:b ت:t ث:th ج:j ح:h خ:kh د:d ذ:dh ر:r ز:z س:s ش:sh ص:s ض:d ط:t ظ:z ع:a غ:gh ف:f ق:q ك:k ل:l م:m ن:n ه:h "
    "و:w ي:y ى:a ة:a ء: ئ:y ؤ:w أ:a إ:i آ:a ٱ:a گ:g پ:p چ:ch ژ:zh ک:k ی:y ـ: "
    "א:a ב:b ג:g ד:d ה:h ו:v ז:z ח:h ט:t י:y כ:k ך:k ל:l מ:m ם:m נ:n ן:n ס:s ע:a פ:p ף:p צ:ts ץ:ts ק:k ר:r ש:sh ת:t"
)
_LETTERS: Final = str.maketrans(
    {entry[0]: entry[2:] for entry in f"{_CYRILLIC_AND_GREEK} {_ARABIC_AND_HEBREW}".split(" ")}
)
# Letters of other scripts that look like Latin ones: read so only inside a word that mixes scripts (a trick or a slip).
_CONFUSABLE: Final = str.maketrans("аеорсухіјѕԁвнкмтαορνικτυ", "aeopcyxijsdbhkmtaopviktu")

_KANA_ROWS: Final = (
    "アa イi ウu エe オo カka キki クku ケke コko サsa シshi スsu セse ソso タta チchi ツtsu テte トto "
    "ナna ニni ヌnu ネne ノno ハha ヒhi フfu ヘhe ホho マma ミmi ムmu メme モmo ヤya ユyu ヨyo ラra リri "
    "ルru レre ロro ワwa ヰi ヱe ヲo ンn ガga ギgi グgu ゲge ゴgo ザza ジji ズzu ゼze ゾzo ダda ヂji "
    "ヅzu デde ドdo バba ビbi ブbu ベbe ボbo パpa ピpi プpu ペpe ポpo ヴvu"
)
_KANA: Final = {entry[0]: entry[1:] for entry in _KANA_ROWS.split(" ")}
_SMALL_Y: Final = {"ャ": "a", "ュ": "u", "ョ": "o"}
_SMALL_VOWELS: Final = {"ァ": "a", "ィ": "i", "ゥ": "u", "ェ": "e", "ォ": "o"}
_HIRAGANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_LONG_VOWELS: Final = re.compile("(?<=o)[uo]|(?<=u)u")  # Sato, not Satou: how passports have it

# In the order of the code points; "-": no sound of its own.
_FIRSTS: Final = "g kk n d tt r m b pp s ss - j jj ch k t p h"
_VOWELS: Final = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i"
_LASTS: Final = "- k k k n n n t l l l l l l l l m p p t t ng t t k t p h"
_HANGUL_FIRST, _HANGUL_VOWEL, _HANGUL_LAST = (
    tuple(sound.strip("-") for sound in sounds.split(" ")) for sounds in (_FIRSTS, _VOWELS, _LASTS)
)
_HANGUL_BASE: Final = 0xAC00
_SURNAME_LIST: Final = (
    "김kim 이lee 박park 최choi 정jung 강kang 조cho 윤yoon 장jang 임lim 오oh 한han 신shin 서seo 권kwon 황hwang 안ahn "
    "송song 류ryu 홍hong 유yoo"
)
_SURNAMES: Final = {entry[0]: entry[1:] for entry in _SURNAME_LIST.split(" ")}

FAMILY_FIRST: Final = re.compile("[\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff]")
"""Letters of the scripts in which the family name comes first."""
OTHER: Final = re.compile("[\u0370-\u05ff\u0620-\u06ff\u1f00-\u1fff\u3040-\u30ff\uac00-\ud7a3]")
"""Letters of other scripts that have a reading here."""
_MIXABLE: Final = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LATIN: Final = re.compile("[a-z]")
_KANA_LETTER: Final = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HANGUL_LETTER: Final = re.compile("[\uac00-\ud7a3]")


def latin(word: str) -> str:
    """One case-folded word, composed, in Latin letters as far as its script is known here."""
    if _MIXABLE.search(word) and _LATIN.search(word):
        word = word.translate(_CONFUSABLE)
    if _KANA_LETTER.search(word):
        return _from_kana(word)
    if _HANGUL_LETTER.search(word):
        return _SURNAMES.get(word) or "".join(map(_from_hangul, word))
    return word.translate(_LETTERS)


def mixes_scripts(word: str) -> bool:
    """Whether a word has Latin letters beside others that can look like them."""
    folded = word.casefold()
    return bool(_MIXABLE.search(folded) and _LATIN.search(folded))


def _from_kana(word: str) -> str:
    out = ""
    doubled = False
    for letter in word.translate(_HIRAGANA):
        if letter in _SMALL_Y and out.endswith("i"):
            out = out[:-1] + ("" if out.endswith(("shi", "chi", "ji")) else "y") + _SMALL_Y[letter]
        elif letter in _SMALL_VOWELS and out:
            out = out[:-1] + _SMALL_VOWELS[letter]
        elif letter == "ッ":
            doubled = True
        elif letter != "ー":
            sound = _KANA.get(letter, letter)
            out += (sound[0] if doubled else "") + sound
            doubled = False
    return _LONG_VOWELS.sub("", out)


def _from_hangul(letter: str) -> str:
    code = ord(letter) - _HANGUL_BASE
    if not 0 <= code < len(_HANGUL_FIRST) * len(_HANGUL_VOWEL) * len(_HANGUL_LAST):
        return letter
    rest, last = divmod(code, len(_HANGUL_LAST))
    first, vowel = divmod(rest, len(_HANGUL_VOWEL))
    return _HANGUL_FIRST[first] + _HANGUL_VOWEL[vowel] + _HANGUL_LAST[last]
