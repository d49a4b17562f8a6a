"""Values that mean 'nothing': they never match and never block."""

from typing import Final

from customer_identity.normalise.text import word_set

# What forms, tills and call centres write to get past a mandatory field. Real values that many share are found by
# frequency instead.
_WORDS: Final = word_set(
    """
    - . ? x xx xxx xxxx na n/a n.a. n.a nan nil none null nill unknown unk unkown anonymous anon guest test
    tester testing customer client noname no-name nobody notprovided notavailable notgiven notapplicable
    notknown unspecified undefined undisclosed default dummy fake example tbd tbc blank empty void refused
    declined private withheld asdf qwerty abc abcd aaa
    """
)
_PHRASE_LIST: Final = (
    "not provided,not available,not given,not applicable,not known,no name,no email,no phone,test user,test test,"
    "guest user,guest customer,guest guest,test customer,walk in,walk-in,cash customer,first last,john q public"
)
_PHRASES: Final = frozenset(_PHRASE_LIST.split(","))
_EMAIL_LOCALS: Final = word_set(
    """
    test tester testing none na nomail noemail no-email no.email noreply no-reply no_reply donotreply
    do-not-reply guest unknown nobody null fake dummy example anonymous anon customer user asdf abc notprovided
    not.provided refused declined x xx xxx
    """
)
_EMAIL_DOMAINS: Final = word_set(
    """
    test.com noemail.com none.com nomail.com no.com na.com fake.com email.invalid noemail.noemail test.test
    mailinator.com noreply.com nowhere.com invalid
    """
)


def is_placeholder(folded: str) -> bool:
    """True for a folded value that stands for a missing one."""
    return folded in _WORDS or folded in _PHRASES


def is_placeholder_email(local: str, domain: str) -> bool:
    """True for addresses nobody receives mail at."""
    return local in _EMAIL_LOCALS or domain in _EMAIL_DOMAINS or "*" in local


def is_placeholder_digits(digits: str) -> bool:
    """True for 0000000, 9999999, 1234567890 and the like (also with an area code before them)."""
    tail = digits[-7:]
    return len(set(tail)) <= 1 or digits in "01234567890123456789" or digits in "98765432109876543210"
