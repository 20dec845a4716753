"""The customers of the sandbox: forty accounts with their contacts, always the same ones."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple


class Country(NamedTuple):
    """Where an account is, and how its people write and are called.

    Attributes:
        code: ISO 3166 code, as in the segment ``Country``.
        language: Language of the comments, in lower case.
        phone: International dialling prefix.
        division: The segment ``Division``.
        first_names: Given names, in the local script.
        last_names: Family names, in the local script.
    """

    code: str
    language: str
    phone: str
    division: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


class Contact(NamedTuple):
    """A person who answers surveys."""

    first_name: str
    last_name: str
    email: str
    phone: str | None
    number_customer: str


class Account(NamedTuple):
    """A customer company.

    Attributes:
        name: Name of the company.
        number: Its number, as text.
        country: Where it is.
        segment: The segment ``Segment A``, or None.
        manager: The segment ``Account Manager``, or None.
        renewal: When its contract ends, ``YYYY-MM-DD``, or None.
        mood: How the account scores: 0 critical, 1 average, 2 happy.
        contacts: The people in it.
    """

    name: str
    number: str
    country: Country
    segment: str | None
    manager: str | None
    renewal: str | None
    mood: int
    contacts: tuple[Contact, ...]


_EN = (("John", "Emma", "Oliver", "Grace", "Liam"), ("Doe", "Smith", "O'Brien", "Taylor", "Walker"))
_NL = (("Sanne", "Daan", "Fleur", "Jeroen"), ("de Vries", "Jansen", "van den Berg", "Bakker"))
_PT = (("João", "Inês", "Tiago", "Conceição"), ("Silva", "Magalhães", "Araújo", "Gonçalves"))
COUNTRIES = (
    Country("NL", "nl", "+31", "Europe", *_NL),
    Country("GB", "en", "+44", "Europe", *_EN),
    Country("US", "en", "+1", "Americas", *_EN),
    Country("DE", "de", "+49", "Europe", ("Jürgen", "Anja", "Sören"), ("Müller", "Groß", "Weiß")),
    Country("FR", "fr", "+33", "Europe", ("Zoé", "François", "Léa"), ("Lefèvre", "Noël", "Petit")),
    Country("ES", "es", "+34", "Europe", ("Íñigo", "Lucía", "Ángel"), ("Muñoz", "Ibáñez", "Ruiz")),
    Country("BR", "pt", "+55", "Americas", *_PT),
    Country("JP", "ja", "+81", "Asia Pacific", ("陽菜", "蓮", "結衣"), ("佐藤", "鈴木", "高橋")),
    Country("AU", "en", "+61", "Asia Pacific", *_EN),
    Country("AE", "ar", "+971", "Middle East", ("ليلى", "عمر"), ("الحسن", "النجار")),
    Country("BE", "nl", "+32", "Europe", *_NL),
    Country("PT", "pt", "+351", "Europe", *_PT),
)
_FIRST_WORDS = ("Acme", "Blauwe", "Nordlicht", "Soleil", "Vega", "Harbour", "Kestrel", "Lumen")
_SECOND_WORDS = ("Logistics", "Foods", "Medical", "Energy", "Retail")
_SEGMENTS = ("Enterprise", "Mid-Market", "Small Business", None)
_MANAGERS = ("Anna Kowalska", "Bram Visser", "Carla Méndez", "David Chen", None)
_MOODS = (1, 2, 1, 0, 1, 1, 2)


def _ascii(text: str) -> str:
    """Spell a name for an e-mail address; empty for a script without Latin letters."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter for letter in folded.lower() if letter.isalnum())


def _contact(account: int, place: int, country: Country, domain: str) -> Contact:
    """Make up one contact of an account."""
    first = country.first_names[(account + place) % len(country.first_names)]
    last = country.last_names[(account * 3 + place * 2) % len(country.last_names)]
    serial = account * 7 + place
    local = f"{_ascii(first)}.{_ascii(last)}" if _ascii(first) and _ascii(last) else "contact"
    return Contact(
        first_name=first,
        last_name=last,
        email=f"{local}{place}@{domain}.example",
        phone=None if serial % 6 == 0 else f"{country.phone} 20 555 {serial % 10000:04d}",
        # Customer numbers with leading zeros are what a careless loader turns into integers.
        number_customer=f"{serial + 417:06d}" if account % 3 == 0 else f"{20000 + serial * 13}",
    )


def _account(place: int) -> Account:
    """Make up one account."""
    country = COUNTRIES[place % len(COUNTRIES)]
    first, second = _FIRST_WORDS[place % 8], _SECOND_WORDS[place // 8 % 5]
    domain = f"{first}-{second}".lower()
    return Account(
        name=f"{first} {second}",
        number=f"{place + 101:05d}" if place % 4 == 0 else f"AC-{1000 + place * 17}",
        country=country,
        segment=_SEGMENTS[place % len(_SEGMENTS)],
        manager=_MANAGERS[place % len(_MANAGERS)],
        renewal=f"2027-{place % 12 + 1:02d}-01" if place % 3 else None,
        mood=_MOODS[place % len(_MOODS)],
        contacts=tuple(_contact(place, n, country, domain) for n in range(3 + place % 4)),
    )


@lru_cache(maxsize=1)
def accounts() -> tuple[Account, ...]:
    """Return the forty accounts."""
    return tuple(_account(place) for place in range(40))
