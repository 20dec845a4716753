"""The page of the report: one HTML file that asks no server for anything.

Text of the account reaches the page as JSON alone, and `page.js` shows it by `textContent`, never
as markup. The page's policy (CSP) lets its own script and style run, known by their digests, and
nothing else: no request, no frame, no form, no `eval` (Vega's expressions are interpreted).
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any, Final

from customergauge_source.report.charts import CHARTS

CELLS: Final = ("scores", "driver_cells", "topic_cells", "question_cells")
"""What grows with months and segments: 300,000 rows in a large account. As columns they pack to a
tenth of the space that they take as rows."""
SCRIPTS: Final = ("figures.js", "draw.js", "sections.js", "page.js")
_ESCAPED: Final = {ord(it): f"\\u{ord(it):04x}" for it in "<>&\u2028\u2029"}


def render(data: Mapping[str, Any]) -> str:
    """Returns the text of the page.

    Args:
        data: What `data.collect` returns, and what it is about: `made_at`, `destination`,
            `dataset`, `timezone`, `span`.
    """
    library, script = map(_inside_script, (_library(), "\n".join(map(_part, SCRIPTS))))
    style = _part("page.css")
    meta = {name: value for name, value in data.items() if name not in CELLS}
    return Template(_part("page.html")).substitute(
        policy="; ".join(
            (
                "default-src 'none'",
                f"script-src '{_digest(library)}' '{_digest(script)}'",
                f"style-src '{_digest(style)}'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
        style=style,
        charts=_json({name: chart.declared() for name, chart in CHARTS.items()}),
        data=_json(meta),
        cells=_packed({name: [*zip(*data[name], strict=True)] for name in CELLS}),
        library=library,
        script=script,
    )


def _part(name: str) -> str:
    """Returns the text of a file beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@cache
def _library() -> str:
    """Returns the JavaScript of Vega, Vega-Lite and vega-embed, which takes a second to bundle."""
    import vl_convert  # noqa: PLC0415 - an extra, which only the report needs

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _inside_script(text: str) -> str:
    """Returns JavaScript that does not end the element that it stands in."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _digest(text: str) -> str:
    """Returns how a policy names a script or a style: by its SHA-256."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _json(value: object) -> str:
    """Returns JSON that stays text wherever it stands in a page."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPED)


def _packed(value: object) -> str:
    """Returns JSON as gzip in base64; the same value gives the same text."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()
