"""Every parameter of GET Responses (v7): asked for as documented, or refused before a request."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from customergauge_source.exceptions import ConfigurationError
from customergauge_source.resources import RESPONSES
from customergauge_source.sandbox import DETRACTORS_FILTER, Sandbox
from customergauge_source.sandbox.exchange import Request
from tests.command import Command
from tests.support import at_length, make_pipeline, make_source
from tests.truth import differences

LISTS = RESPONSES.include
PERIOD = {"period_field": "date_sent", "start_date": "2026-01-05", "end_date": "2026-01-25"}
ZONE = "an IANA zone"
SCHEME = "scheme and host alone"
PERIOD_FIELDS = "date_creation, date_order, date_sent, date_survey_response"


def asked(folder: Path, sandbox: Sandbox, **arguments: Any) -> Request:
    """Returns the first request that the source makes under these arguments."""
    make_pipeline(folder).extract(make_source(sandbox, **arguments).add_limit(1))
    return sandbox.data_requests[0]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"per_page": 1}, {"per_page": "1"}),
        ({"outbound_filter": DETRACTORS_FILTER}, {"filter": DETRACTORS_FILTER}),
        ({"number_customergauge": 45778}, {"number_customergauge": "45778"}),
        *(
            (
                {**PERIOD, "period_field": field},
                {
                    "period[field]": field,
                    "period[start]": "2026-01-05",
                    "period[end]": "2026-01-25",
                },
            )
            for field in PERIOD_FIELDS.split(", ")
        ),
        (
            {**PERIOD, "end_date": "2026-01-05"},
            {
                "period[field]": "date_sent",
                "period[start]": "2026-01-05",
                "period[end]": "2026-01-05",
            },
        ),
    ],
)
def test_a_parameter_is_sent_as_documented_and_nothing_else(
    workdir: Path, sandbox: Sandbox, arguments: dict[str, Any], sent: dict[str, str]
) -> None:
    first = asked(workdir, sandbox, **arguments)

    assert first.status == 200
    lists = [("with[]", name) for name in LISTS]
    assert sorted(first.query) == sorted({"per_page": "1000", **sent}.items() | set(lists))


@pytest.mark.sampled
@pytest.mark.parametrize("include", [[], ["questions"], ["tags", "properties"], list(LISTS)])
def test_with_asks_for_any_subset_of_the_lists_and_the_tables_of_the_others_stay_empty(
    workdir: Path, sandbox: Sandbox, include: list[str]
) -> None:
    make_pipeline(workdir).run(make_source(sandbox, include=include, per_page=20))

    for request in sandbox.data_requests:
        assert sorted(value for key, value in request.query if key == "with[]") == sorted(include)
    without: dict[str, Any] = {name: [] for name in LISTS if name not in include}
    records = [record | without for record in sandbox.records]
    assert differences(workdir / "customergauge.duckdb", records) == []


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"per_page": 0}, "0", "1 to 1000"),
    ({"per_page": 1001}, "1001", "1 to 1000"),
    ({"per_page": -5}, "-5", "1 to 1000"),
    (
        {"include": ["tags", "drivers"]},
        "'drivers'",
        "selected_drivers, tags, questions, properties",
    ),
    ({"include": ["Tags"]}, "'Tags'", "selected_drivers, tags, questions, properties"),
    ({"outbound_filter": " "}, "' '", "reference"),
    ({"number_customergauge": 0}, "0", "whole number, 1 or more"),
    ({"number_customergauge": -3414}, "-3414", "whole number, 1 or more"),
    ({**PERIOD, "period_field": "date_update"}, "'date_update'", PERIOD_FIELDS),
    ({**PERIOD, "start_date": "05-01-2026"}, "'05-01-2026'", "yyyy-mm-dd"),
    ({**PERIOD, "start_date": "2026-1-5"}, "'2026-1-5'", "yyyy-mm-dd"),
    ({**PERIOD, "start_date": "20260105"}, "'20260105'", "yyyy-mm-dd"),
    ({**PERIOD, "end_date": "2026-02-30"}, "'2026-02-30'", "yyyy-mm-dd"),
    ({**PERIOD, "end_date": "2026-01-25T00:00:00"}, "'2026-01-25T00:00:00'", "yyyy-mm-dd"),
    ({**PERIOD, "end_date": "2026-01-04"}, "2026-01-05", "a day up to end_date, 2026-01-04"),
    ({"timezone": "Mars/Olympus"}, "'Mars/Olympus'", ZONE),
    ({"unknown_fields": "drop"}, "'drop'", "evolve, ignore, fail"),
]
ONLY_IN_PYTHON: list[tuple[dict[str, Any], str, str]] = [
    ({"api_url": "https://api.example.com/v7/rest"}, "https://api.example.com/…", SCHEME),
    ({"auth_url": "auth.example.com"}, "auth_url", SCHEME),
    ({"auth_url": "https://user:pass@auth.example.com"}, "https://auth.example.com/…", SCHEME),
    ({"api_url": "ftp://api.example.com"}, "ftp://api.example.com/…", SCHEME),
    ({"api_url": "http://api.example.com"}, "api.example.com", "https"),
    ({"api_url": "http://127.0.0.1:99999"}, "http://127.0.0.1:99999", SCHEME),
    ({"auth_url": None, "region": "mars"}, "'mars'", "eu, us, au"),
    ({"api_url": None, "region": None}, "region", "eu, us, au"),
    ({"per_page": True}, "True", "1 to 1000"),
    ({"per_page": 10.0}, "10.0", "1 to 1000"),
    ({"number_customergauge": 5.5}, "5.5", "whole number, 1 or more"),
    ({"number_customergauge": True}, "True", "whole number, 1 or more"),
    ({"number_customergauge": "abc"}, "'abc'", "whole number"),
    ({**PERIOD, "end_date": datetime(2026, 1, 25, 12)}, "12", "yyyy-mm-dd"),  # noqa: DTZ001
    ({"region": "mars"}, "'mars'", "eu, us, au"),
]


@pytest.mark.parametrize(("arguments", "value", "allowed"), WRONG + ONLY_IN_PYTHON)
def test_a_bad_argument_is_refused_before_any_request(
    workdir: Path, sandbox: Sandbox, arguments: dict[str, Any], value: str, allowed: str
) -> None:
    del workdir
    with pytest.raises(ConfigurationError) as refused:
        make_source(sandbox, **arguments)

    said = f"{refused.value} {refused.value.remedy}"
    assert value in said
    assert allowed in said
    names = [name for name in arguments if arguments[name] != PERIOD.get(name, "not there")]
    assert any(name in said for name in names)
    assert sandbox.requests == []
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("given", [1, 2])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_a_period_that_is_not_whole_is_refused_and_names_what_is_missing(
    workdir: Path, sandbox: Sandbox, given: int, start: int
) -> None:
    del workdir
    names = [list(PERIOD)[(start + step) % 3] for step in range(3)]

    with pytest.raises(ConfigurationError) as refused:
        make_source(sandbox, **{name: PERIOD[name] for name in names[:given]})

    missing = str(refused.value).rpartition("missing:")[2]
    assert sorted(missing.strip(" .").split(", ")) == sorted(names[given:])
    assert sandbox.requests == []


@pytest.mark.parametrize("wrong", at_length(WRONG, short=[WRONG[0], WRONG[3], WRONG[-1]]))
def test_a_bad_option_ends_the_command_with_2_and_no_traceback(
    command: Command, sandbox: Sandbox, wrong: tuple[dict[str, Any], str, str]
) -> None:
    arguments, value, allowed = wrong
    options = [
        text
        for name, given in arguments.items()
        for text in (f"--{name.replace('_', '-')}", *(given if type(given) is list else [given]))
    ]
    ended = command(sandbox, *map(str, options))

    assert ended.code == 2, ended.err
    assert value in ended.err
    assert allowed in ended.err
    assert len(ended.err.splitlines()) == 2
    assert ended.out == ""
    assert sandbox.requests == []
    assert not command.file.exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--max-pages", "0"),
        ("--checkpoint-pages", "none"),
        ("--per-page", "many"),
        ("--number-customergauge", "3.5"),
        ("--no-such-option",),
    ],
)
def test_an_option_of_the_wrong_form_ends_the_command_with_2(
    command: Command, sandbox: Sandbox, options: tuple[str, ...]
) -> None:
    ended = command(sandbox, *options)

    assert ended.code == 2
    assert options[0] in ended.err
    what, remedy = ended.err.splitlines()
    assert what.startswith("Error: ")
    assert remedy.startswith("What to do: ")
    assert sandbox.requests == []
