"""A browser to look at reports with: no network, and everything that goes wrong is noted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from customergauge_source.report.page import render

REQUIRED = "CUSTOMERGAUGE_REQUIRE_BROWSER"
PHONE: ViewportSize = {"width": 390, "height": 844}
SCREEN: ViewportSize = {"width": 1280, "height": 900}


def chromium() -> str:
    """Returns the path of this machine's Chromium; without one the tests are skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    why = "there is no Chromium on this machine: `apt-get install chromium`"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def started() -> Iterator[Browser]:
    """Starts a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            # Root, as in a container, has no sandbox.
            args=["--no-sandbox"],
        )
        yield browser
        browser.close()


class Report:
    """A report that is open in a browser.

    `requests` are those for anything but the file itself, `errors` what the console says.
    """

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", lambda it: self.requests.append(it.url))
        page.on("console", lambda it: self.errors.append(it.text))
        page.on("pageerror", lambda it: self.errors.append(str(it)))
        page.goto(file.as_uri())
        self._settled(1)
        assert self.requests.pop(0) == file.as_uri()

    def _settled(self, times: int) -> None:
        """Waits until the page has been drawn so many times."""
        self.page.wait_for_selector(f"html[data-drawn='{times}']", state="attached")

    def choose(self, **choices: str) -> None:
        """Chooses in the filters at the top, one by one."""
        for name, label in choices.items():
            drawn = int(self.page.locator("html").get_attribute("data-drawn") or 0)
            self.page.locator(f"#{name}").select_option(label=label)
            self._settled(drawn + 1)

    def click(self, selector: str, *, at: int = 0) -> None:
        """Clicks on something that makes the page draw again."""
        drawn = int(self.page.locator("html").get_attribute("data-drawn") or 0)
        self.page.locator(selector).nth(at).click()
        self._settled(drawn + 1)

    def text(self, selector: str) -> str:
        """Returns the text of an element."""
        return self.page.locator(selector).inner_text()

    def table(self, name: str) -> list[dict[str, str]]:
        """Returns the rows of a chart's table, each by the titles of the columns."""
        rows: list[list[str]] = self.page.locator(f"#{name} tr").evaluate_all(
            "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]

    def hovered(self, name: str, at: int) -> dict[str, str]:
        """Returns what hovering over a row or a month of a chart shows."""
        target = self.page.locator(f"#{name} .target_marks path").nth(at)
        target.scroll_into_view_if_needed()
        target.hover()
        lines = self.page.locator("#tip p").evaluate_all(
            "lines => lines.map(line => [...line.children].map(it => it.textContent))"
        )
        return dict(lines)

    def violations(self) -> list[dict[str, Any]]:
        """Returns what axe finds that keeps people out."""
        found = Axe().run(self.page).response["violations"]
        return [
            {"rule": it["id"], "where": [node["html"] for node in it["nodes"]]}
            for it in found
            if it["impact"] in {"serious", "critical"}
        ]


def opened(browser: Browser, folder: Path, data: Mapping[str, Any], **options: Any) -> Report:
    """Opens the report of data; options are those of a browser's context."""
    file = folder / "report.html"
    file.write_text(render(data), encoding="utf-8")
    context = browser.new_context(**{"viewport": SCREEN, "offline": True, **options})
    context.set_default_timeout(10_000)
    return Report(context.new_page(), file)
