"""Records and answers with personal values planted in them, each marked with a number of its own.

They stand wherever a value can stand that a policy names: where it belongs, in another type than
the declared one, in older shapes, in entries that are no records, in fields that nobody declared.
What the policy does not name holds nothing personal, and has to be loaded as without a policy.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tests.scripted import TOKEN, Reply, Scripted
from tests.searched import digits, ideographs, latin, numbers_in

HASH: Final = (
    "number_customer",
    "email",
    "phone",
    "contact.first_name",
    "contact.last_name",
    "account.number",
    "selected_drivers.secondary",
    'properties["Key Contact"]',
    'questions["Your name?"]',
)
DROP: Final = (
    "comment",
    "follow_up.details",
    "note",
    'properties["Office Address"]',
    'questions["Anything else?"]',
)
KEY_NUMBER: Final = 0
"""The number of the key, which is marked like a value."""
KEY: Final = f"{latin(KEY_NUMBER)}/a key+of=40&more 'characters' \"ö\" 91c7e2"
POLICY: Final = {
    "SOURCES__CUSTOMERGAUGE__PRIVACY__HASH": json.dumps(HASH),
    "SOURCES__CUSTOMERGAUGE__PRIVACY__DROP": json.dumps(DROP),
    "SOURCES__CUSTOMERGAUGE__PRIVACY__KEY": KEY,
}
"""The policy that names all that is planted, as environment variables."""
NAMES: Final = {
    "properties": ("Key Contact", "Office Address", "Country"),
    "questions": ("Your name?", "Anything else?", "How easy was it?"),
}
"""What is hashed, dropped and let alone, of the lists whose items have names."""
FEEDS: Final = {
    "responses": "responses",
    "non-responses": "non_responses",
    "close-loop": "close_loop",
}
"""The tables, by the feeds that they come from."""
PLANTED: Final = 10_000
"""How many values an account has in its feeds, or a few more."""
TWICE, LATER = "a key twice", "a CGID that comes again"
"""Places of values that another takes the place of: without a policy they need not be loaded."""

_TAME: Final = (
    "{}",
    "{} O'Brien-Müller",
    '"{}" d\'Été',
    "{}@example.com",
    "{}, 12 Rue de l'Église\n75001 Paris\r\n\tFrance",
    "🙂 {} 🙂 \u202e\u05e9\u05dc\u05d5\u05dd",
    "{} \\ \\n \\u0041 \\N {{0}} %s $1 <b>&amp;</b> %20+",
    "{}\n\nThe second line\nand the third; -- /* '",
    '{{"name": "{}"}}',
    "  {}\t",
)
_WILD: Final = (*_TAME, "{}\0after", "before\0{}", "{}\ud83d", "\udfff{}")


@dataclass
class Plants:
    """Makes planted values.

    Attributes:
        places: Where each stands, by its number.
    """

    places: list[str] = field(default_factory=lambda: ["the key"])

    def count(self, place: str) -> int:
        """Returns the number of one more value at a place."""
        self.places.append(place)
        return len(self.places) - 1


@dataclass(frozen=True)
class Spot:
    """Makes planted values for one place."""

    plants: Plants
    place: str
    wild: bool
    is_no_number: bool = False

    def text(self) -> str:
        """Returns a name, an address, a phone or a comment."""
        number = self.plants.count(self.place)
        marks = (latin(number), latin(number).title(), latin(number), ideographs(number))
        texts = _WILD if self.wild else _TAME
        mark = marks[number % 4] if number % 7 or self.is_no_number else f"+{digits(number)}"
        return texts[number % len(texts)].format(mark)

    def key(self) -> str:
        """Returns a name that stands in place of a key."""
        return f"{latin(self.plants.count(f'{self.place}, as a key'))}@example.com"

    def number(self) -> int:
        """Returns a phone as a number."""
        return digits(self.plants.count(self.place))


Make = Callable[[Spot], Any]
Expected = dict[tuple[str, int, str, int], str]

_TEXTS: Final[tuple[Make, ...]] = (
    lambda it: it.text(),
    lambda it: it.number(),
    lambda it: it.number() + 0.5,
    lambda it: it.number() * 10**20,
    lambda it: [it.text(), it.text(), None],
    lambda it: {"value": it.text()},
    lambda it: {"deep": {"er": [it.text(), it.number()]}},
    lambda it: [[it.text()], {"given": it.text(), "family": it.number()}],
)
"""What may stand where text is declared."""
_OTHERS: Final[tuple[Make, ...]] = (
    lambda it: it.text(),
    lambda it: [it.text()],
    lambda it: {"by": it.text()},
    lambda it: [{"by": it.text(), "at": it.number()}],
)
"""What may stand where a number, a boolean or a timestamp is declared."""
_OBJECTS: Final[tuple[Make, ...]] = (
    lambda it: it.text(),
    lambda it: it.number(),
    lambda it: [it.text(), it.number()],
    lambda it: [{"first_name": it.text(), "original": it.text(), "name": it.text()}],
    lambda it: {"0": it.text(), "1": {"first_name": it.text()}},
)
"""What may stand where an object is declared."""
_LISTS: Final[tuple[Make, ...]] = (
    lambda it: it.text(),
    lambda it: it.number(),
    lambda it: [it.text(), it.number(), None],
    lambda it: [[it.text()], [[it.number()]]],
    lambda it: {"Key Contact": it.text(), "Your name?": it.text()},
    lambda it: {"0": it.text(), "7": it.text()},
    lambda it: {"items": [{"label": it.text(), "answer": it.text(), "reference": it.text()}]},
    lambda it: [[{"title": "Your name?", "answer": it.text(), "reference": it.text()}]],
)
"""What may stand where a list of objects is declared."""
_UNDECLARED: Final[tuple[Make, ...]] = (
    lambda it: {"Email": it.text(), "EMAIL": it.text(), "E-mail": it.text()},
    lambda it: {"contact__first_name": it.text(), "comment__original": it.text()},
    lambda it: {"contact.first_name": it.text(), "first-name": it.text(), "Reference": it.text()},
    lambda it: {"email\0": it.text(), "email ": it.text(), " ": it.text(), "Note": it.text()},
    lambda it: {"_dlt_id": it.text(), "value": it.text(), "_dlt_list_idx": it.number()},
    lambda it: {it.key(): 1, "mobile": it.number() + 0.25, "fax": it.number() * 10**9},
)
"""Fields that nobody declared, for any object."""
_UNDECLARED_LISTS: Final[tuple[Make, ...]] = (
    lambda it: {"Contact": {"first_name": it.text()}, "CONTACT": it.text()},
    lambda it: {"emails": [it.text(), it.number()], "seen_by": {it.key(): True}},
    lambda it: {"people": [{"email": it.text(), "deep": {"a": {"b": [[it.text()]]}}}]},
    lambda it: {"Questions": [{"title": "Your name?", "answer": it.text()}]},
    lambda it: {"responses__questions": [{"answer": it.text()}], "respondent": it.text()},
)
"""The same for a record; without a policy some make a table more."""


@dataclass
class Planting:
    """Makes the entries of one feed."""

    plants: Plants
    feed: str
    _cgid: int = 1_000
    _texts: dict[int, Expected] = field(default_factory=dict)

    def at(self, kind: str, *, wild: bool = True) -> Spot:
        """Returns what makes values of a kind in this feed."""
        return Spot(self.plants, f"{self.feed}: {kind}", wild=wild)

    def next_cgid(self) -> int:
        """Returns a CGID that no record had."""
        self._cgid += 7
        return self._cgid

    def expected(
        self, records: Sequence[Mapping[str, Any]]
    ) -> dict[tuple[str, int, str, int], str]:
        """Returns the texts that records have where they belong, none of them changed.

        They come by table, CGID, column and place in their list.
        """
        return {
            place: text
            for record in records
            for place, text in self._texts[record["number_customergauge"]].items()
        }

    def clean(self, kind: str = "as documented", *, wild: bool = False) -> dict[str, Any]:
        """Returns a record as documented."""
        cgid, it = self.next_cgid(), self.at(kind, wild=wild)
        texts = self._texts[cgid] = {}
        table = FEEDS[self.feed]

        def text(column: str, place: int = 0, below: str = "") -> str:
            value = texts[table + below, cgid, column, place] = it.text()
            return value

        record: dict[str, Any] = {"number_customergauge": cgid, "status": "response"}
        if self.feed == "close-loop":
            times = {"happened_at": "2026-03-01 10:00:00", "time_to_close": cgid % 50}
            return {**record, "note": text("note"), **times}
        segments = [
            {"field": name, "reference": text("reference", place, "__properties")}
            for place, name in enumerate(NAMES["properties"][:2])
        ]
        names = {key: text(f"contact__{key}") for key in ("first_name", "last_name")}
        record |= {
            "number_customer": text("number_customer"),
            "number_order": f"000{cgid}",
            "email": text("email"),
            "phone": text("phone"),
            "date_creation": "2026-03-01 10:00:00",
            "date_sent": f"2026-03-01 10:00:{cgid % 60:02}",
            "language": "EN",
            "contact": names,
            "account": {"name": f"Acme {cgid}", "number": text("account__number")},
            "properties": [*segments, {"field": "Country", "reference": f"C{cgid}"}],
        }
        return record | (_answers(cgid, text) if self.feed == "responses" else {})

    def misshapen(self) -> Iterator[dict[str, Any]]:
        """Yields records of which each field in turn is of every shape that it should not have."""
        for path, shapes in _shapes(self.feed).items():
            it = replace(self.at(f"misshapen {path}"), is_no_number=shapes is _OTHERS)
            outer, _, inner = path.partition(".")
            for shape in shapes:
                record, value = self.clean(wild=True), shape(it)
                record[outer] = {**record[outer], inner: value} if inner else value
                yield record
        for key in NAMES.keys() & self.clean().keys():
            for items in _named(self.at(f"items of {key}"), key):
                gaps = {str(3 * place): item for place, item in enumerate(items)}
                yield {**self.clean(wild=True), key: items}
                yield {**self.clean(wild=True), key: gaps}
        if self.feed == "responses":
            yield from self._older()

    def _older(self) -> Iterator[dict[str, Any]]:
        """Yields records of older shapes, and of half of them."""
        it = self.at("older shapes")
        secondaries: tuple[Any, ...] = (
            [it.text(), it.number()],
            it.text(),
            {"0": it.text(), "5": it.text()},
            [[it.text()], {"value": it.text()}],
            {"a": it.text()},
        )
        drivers: list[Any] = [it.text(), [it.text()], {"a": it.text()}, it.number()]
        for secondary in secondaries:
            label = {"label": "Product", "secondary": secondary}
            drivers += [[label], {"3": label}, [{"primary": "Price", **label}]]
        for older in drivers:
            record = self.clean(wild=True)
            yield {**record, "drivers": older}
            record = self.clean(wild=True)
            del record["selected_drivers"]
            yield {**record, "comment": it.text(), "drivers": older}

    def undeclared(self) -> Iterator[dict[str, Any]]:
        """Yields records with fields that nobody declared, at each level."""
        it = self.at("undeclared")
        yield from (self.clean() | make(it) for make in (*_UNDECLARED, *_UNDECLARED_LISTS))
        for make in _UNDECLARED:
            record = self.clean()
            for key, value in record.items():
                if isinstance(value, dict):
                    record[key] = {**value, **make(it)}
                elif isinstance(value, list):
                    record[key] = [{**value[0], **make(it)}, *value[1:]]
            yield record

    def rejected(self) -> Iterator[Any]:
        """Yields entries that are no records."""
        it = self.at("no record")
        yield from (it.text(), it.number(), [it.text(), it.number()], [[{"email": it.text()}]])
        yield from ({it.text(): it.text()}, {"records": [self.clean()]}, None, True)
        cgids: tuple[Any, ...] = (
            *(None, it.text(), [it.text()], {"id": it.text()}, f"no {it.number()}"),
            it.number() * 10**20,
        )
        for cgid in cgids:
            yield {**self.clean(wild=True), "number_customergauge": cgid}
        for place, record in enumerate([*self.misshapen(), *self.undeclared()]):
            if place % 3 == 0:
                del record["number_customergauge"]
                yield record

    def twice(self) -> list[Any]:
        """Returns records whose CGID comes again, in another spelling, too."""
        first = [self.clean(LATER) for _ in range(6)]
        again = [
            {
                **self.clean("the same CGID"),
                "number_customergauge": spell(record["number_customergauge"]),
            }
            for record, spell in zip(first, (str, float, int) * 2, strict=True)
        ]
        return [*first, *again]

    def with_keys_twice(self) -> str:
        """Returns the JSON of records that have a key twice, of which a parser takes either."""
        it, texts = self.at(TWICE), []
        for _ in range(5):
            pairs: list[tuple[str, Any]] = [("number_customergauge", self.next_cgid())]
            pairs += [("note", it.text()), ("note", it.text()), ("email", it.text())]
            pairs += [("contact", {"first_name": it.text()}), ("contact", it.text())]
            pairs += [("email", it.text()), ("phone", it.number()), ("phone", it.text())]
            texts.append(", ".join(f"{json.dumps(key)}: {json.dumps(it)}" for key, it in pairs))
        return f"[{{{'}, {'.join(texts)}}}]"


def _answers(cgid: int, text: Callable[..., str]) -> dict[str, Any]:
    """Returns what a record of a survey has that was answered."""
    questions = [
        {"title": title, "answer": text("answer", place, "__questions")}
        for place, title in enumerate(NAMES["questions"][:2])
    ]
    secondary = [text("value", place, "__selected_drivers__secondary") for place in (0, 1)]
    return {
        "nps": cgid % 11,
        "date_survey_response": "2026-03-02 11:00:00",
        "comment": {key: text(f"comment__{key}") for key in ("original", "translation")},
        "follow_up": {"requested": bool(cgid % 2), "details": text("follow_up__details")},
        "tags": [{"label": f"Topic {cgid}", "type": "topic", "sentiment": "positive"}],
        "questions": [*questions, {"title": "How easy was it?", "answer": str(cgid % 7)}],
        "selected_drivers": [
            {"primary": "Product", "secondary": secondary},
            {"primary": "Price", "secondary": []},
        ],
    }


def _shapes(feed: str) -> dict[str, Sequence[Make]]:
    """Returns the shapes that the fields of a feed's records come in."""
    if feed == "close-loop":
        times = ("happened_at", "time_to_close", "time_to_follow_up")
        return {"note": _TEXTS, **dict.fromkeys(times, _OTHERS)}
    numbers = (*_OTHERS, Spot.number)
    names = ("contact.first_name", "contact.last_name", "account.number")
    shapes: dict[str, Sequence[Make]] = {
        **dict.fromkeys(("number_customer", "email", "phone", *names), _TEXTS),
        **dict.fromkeys(("date_creation", "date_order", "date_sent"), numbers),
        **dict.fromkeys(("contact", "account"), _OBJECTS),
        "properties": _LISTS,
    }
    if feed == "responses":
        texts = ("comment.original", "comment.translation", "follow_up.details")
        shapes |= dict.fromkeys(texts, _TEXTS)
        shapes |= {"nps": _OTHERS, "date_survey_response": numbers, "follow_up.requested": numbers}
        shapes |= dict.fromkeys(("comment", "follow_up"), _OBJECTS)
        shapes |= dict.fromkeys(("questions", "tags", "selected_drivers"), _LISTS)
    return shapes


def _named(it: Spot, lists: str) -> Iterator[list[Any]]:
    """Yields lists of items that have a name, each with planted values."""
    name, value = {"properties": ("field", "reference"), "questions": ("title", "answer")}[lists]
    hashed, dropped, plain = NAMES[lists]
    harmless = {name: plain, value: "as it came"}
    for known in (hashed, dropped):
        spaced = f" {known.upper().replace(' ', '   ')}\n"
        yield [{name: known, value: it.text()}, harmless]
        yield [harmless, {value: it.text(), name: spaced}]
        yield [{name: known, value: it.text()}, {name: known.lower(), value: it.text()}]
        yield [{name: known, value: shape(it)} for shape in _TEXTS]
        yield [{name: known, "Value": it.text(), "label": [it.text()], value.title(): it.text()}]
    for nameless in (None, [hashed], {"name": hashed}, {"0": dropped}, []):
        yield [harmless, {name: nameless, value: it.text()}]
    yield [{value: it.text()}, {value: it.number()}, harmless]
    yield [{name.title(): hashed, value: it.text(), f"{name}_name": it.text()}]
    yield [harmless, it.text(), [it.text()], it.number(), {name: hashed, value: it.text()}]


@dataclass(frozen=True)
class Account:
    """What an account's feeds answer, with the places of all that is planted.

    Attributes:
        pages: The bodies of each feed's pages.
        places: Where each planted value stands, by its number.
        expected: The texts of records as documented, by table, CGID, column and place in a list.
    """

    pages: Mapping[str, Sequence[bytes]]
    places: Sequence[str]
    expected: Mapping[tuple[str, int, str, int], str]

    @property
    def planted(self) -> set[int]:
        """The numbers of the values that are served."""
        return {number for bodies in self.pages.values() for number in numbers_in(b"".join(bodies))}

    def answer(self, path: str, *_: object) -> Reply:
        """Answers a request as the API does."""
        if "oauth2" in path:
            return TOKEN
        parts = urlsplit(path)
        pages = self.pages[parts.path.rpartition("/")[2]]
        place = int(parse_qs(parts.query).get("cursor", ["0"])[0])
        return Reply(pages[place] if place < len(pages) else b'{"data": [], "cursor": []}')


def account(documented: int = 100, *, per_page: int = 300) -> Account:
    """Returns an account with `PLANTED` planted values, if so many responses are as documented.

    Records that are alike come together, as one odd record decides for its page.
    """
    plants, pages = Plants(), dict[str, list[bytes]]()
    expected: Expected = {}
    for feed in reversed(FEEDS):
        it = Planting(plants, feed)
        groups: list[list[Any]] = [[*it.undeclared()], [*it.misshapen()], it.twice()]
        groups += [[*it.rejected()]]
        alike = [it.clean() for _ in range(documented if feed == "responses" else 40)]
        expected |= it.expected(alike)
        parts = [
            json.dumps(group[start : start + per_page])
            for group in [alike[:20], alike[20:], *groups]
            for start in range(0, len(group), per_page)
        ]
        parts.append(it.with_keys_twice())
        pages[feed] = [_page(data, place + 1) for place, data in enumerate(parts)]
    return Account(pages, plants.places, expected)


def _page(data: str, cursor: int) -> bytes:
    return f'{{"data": {data}, "cursor": {{"next": {cursor}}}}}'.encode()


def broken_answers(plants: Plants) -> dict[str, bytes]:
    """Returns answers that are none as documented, each with planted values, from status line on.

    The last ones are refused; those before are worth another try.
    """
    it = Spot(plants, "a broken answer", wild=False)

    def line() -> str:
        """Returns a value that fits into a line of a header."""
        return f"Ms {latin(plants.count('a header'))} O'Brien"

    def page(cursor: object = 5) -> bytes:
        record = Planting(plants, "responses").clean()
        return json.dumps({"data": [record], "cursor": {"next": cursor}}).encode()

    def words() -> bytes:
        errors = {"email": [it.text()], it.text(): [it.text()]}
        said = {"message": it.text(), "error": it.text(), "error_description": it.text()}
        return json.dumps({**said, "errors": errors, "exception": it.text()}).encode()

    def cut(body: bytes) -> bytes:
        return body[: len(body) // 2]

    chunked = {"Transfer-Encoding": "chunked"}
    transient = {
        "a server error": _http(words(), "500 Internal Server Error"),
        "a server error with a page": _http(page(), "502 Bad Gateway"),
        "a server error in HTML": _http(
            f"<h1>{it.text()}</h1>".encode(), "503 Busy", kind="text/html"
        ),
        "a reason": _http(b"{}", f"500 {line()}"),
        "too many": _http(words(), "429 Too Many", {"Retry-After": line()}),
        "a date to wait for": _http(words(), "429 Too Many", {"Retry-After": f"Mon, 1 {line()}"}),
        "a time-out": _http(words(), f"408 {line()}"),
        "half a chunk": _http(b"fff\r\n" + page(), more=chunked),
        "no chunks": _http(page(), more=chunked),
        "the size of a chunk": _http(f"{line()}\r\n".encode() + page(), more=chunked),
        "a chunk's extension": _http(f"zz;{line()}\r\n".encode() + page(), more=chunked),
        "a body that is cut off": _http(cut(page()), more={"Content-Length": "90000"}),
        "a body without length that is cut off": _http(cut(page()), more={"Connection": "close"}),
        "no gzip": _http(page(), more={"Content-Encoding": "gzip"}),
        "no deflate": _http(page(), more={"Content-Encoding": "deflate"}),
        "no status line": f"{line()}\r\n\r\n".encode() + page(),
        "a page for a status line": page(),
        "a name for a status": f"HTTP/1.1 {line()} OK\r\n\r\n".encode() + page(),
        "a name for a version": f"HTTP/{line()} 200 OK\r\n\r\n".encode() + page(),
        "a status that is too large": f"HTTP/1.1 99999 {line()}\r\n\r\n".encode() + page(),
        "a header that is too long": _http(page(), more={"X-Name": line() * 9_000}),
        "too many headers": _http(page(), more={f"X-{line()}-{n}": line() for n in range(110)}),
    }
    fatal = {
        "half of gzip": _http(cut(gzip.compress(page() * 9)), more={"Content-Encoding": "gzip"}),
        "a trailer": _http(f"2\r\n{{}}\r\n0\r\n{line()}\r\n".encode(), more=chunked)[:-4],
        "a cursor that is a fraction": _http(page(it.number() + 0.5)),
        "a cursor that is a name": _http(page(it.text())),
        "a cursor that is an object": _http(page({it.text(): it.text()})),
        "Latin-1": _http(page().decode("unicode-escape").encode("latin-1", "replace")),
        "UTF-16": _http(page().decode().encode("utf-16")),
        "another envelope": _http(json.dumps({"responses": [it.text()]}).encode()),
        "a name for a key": _http(
            json.dumps({it.text(): 1, latin(plants.count("a key")): 2}).encode()
        ),
        "data that is a name": _http(json.dumps({"data": it.text(), "cursor": 1}).encode()),
        "data that is an object": _http(json.dumps({"data": {it.text(): it.text()}}).encode()),
        "a list": _http(json.dumps([it.text(), {it.text(): it.number()}]).encode()),
        "a name": _http(json.dumps(it.text()).encode()),
        "a phone": _http(json.dumps(it.number()).encode()),
        "two pages": _http(page() + b"\n" + page()),
        "no number": _http(page().replace(b'"nps": ', b'"nps": NaN, "was": ')),
        "a script": _http(b"show(%s)" % page(), kind="text/javascript"),
        "plain text": _http(it.text().encode(), kind="text/plain"),
        "a page of HTML": _http(f"<title>{it.text()}</title>".encode(), kind="text/html"),
        "too deep": _http(b'{"data":' + b"[" * 3_000 + json.dumps(it.text()).encode()),
        "a content type": _http(b"{}", kind=f"text/plain; charset={line()}"),
        "headers that are JSON": _http(b"{}", more={'{"email"': f'"{line()}"}}'}),
        "a header without a colon": _http(b"{}").replace(b"\r\n", f"\r\n{line()}\r\n".encode(), 1),
        "a cookie": _http(b"[]", more={"Set-Cookie": f"name={line()}", "X-Debug": line()}),
        "an encoding": _http(page(), more={"Content-Encoding": line()}),
        "a refusal": _http(words(), "422 Unprocessable Content"),
        "a refusal with a page": _http(page(), f"403 {line()}"),
        "a refusal by a reason": _http(b"", f"404 {line()}"),
        "a refusal by a list": _http(json.dumps({"message": [it.text()]}).encode(), "400 Bad"),
        "a redirect": _http(b"", f"302 {line()}", {"Location": f"https://{line()}/{line()}"}),
        "no content": _http(b"", f"204 {line()}"),
        "a refused token": _http(words(), f"401 {line()}", {"WWW-Authenticate": f"X {line()}"}),
    }
    return transient | fatal


TRANSIENT: Final = 22
"""How many broken answers are worth another try; they come first."""


def _http(
    body: bytes,
    status: str = "200 OK",
    more: Mapping[str, str] | None = None,
    *,
    kind: str = "application/json",
) -> bytes:
    """Returns an answer as it is sent; it has a length, unless it has a header more."""
    headers = {
        "Content-Type": kind,
        **({"Content-Length": str(len(body))} if more is None else more),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


@contextmanager
def answering(answers: Sequence[bytes]) -> Iterator[Scripted]:
    """Answers requests for data with these, byte by byte, one after the other and then the last."""
    left, paths = [*answers], list[str]()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            length, path = 0, self.rfile.readline().decode().split()
            while header := self.rfile.readline().strip().lower():
                if header.startswith(b"content-length:"):
                    length = int(header.partition(b":")[2])
            self.rfile.read(length)
            if not path:
                return
            paths.append(path[1])
            if "oauth2" in path[1]:
                reply = _http(
                    TOKEN.body, more={"Content-Length": str(len(TOKEN.body)), "Connection": "close"}
                )
            else:
                reply = left.pop(0) if len(left) > 1 else left[0]
            with suppress(ConnectionError):  # nobody need read it to its end
                self.wfile.write(reply)

    ThreadingTCPServer.daemon_threads = True
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        yield Scripted(url, "scripted-client", "scripted-secret-77b1", paths)
        server.shutdown()
