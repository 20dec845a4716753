"""`close_loop`: the cases behind responses (GET Close Loop, KB/5000880297).

No public page shows a body: declared is what the page and the matching PUT (KB/5000883702) name.
Whatever else comes is loaded as undeclared fields are.
"""

from __future__ import annotations

from typing import Final

from customergauge_source.resources.positions import UpdatedWindows
from customergauge_source.resources.resource import KEY, Resource
from customergauge_source.tables.shape import Field, Shape, text, timestamp

CLOSE_LOOP: Final = Resource(
    name="close_loop",
    path="v7/rest/sync/close-loop",
    position=UpdatedWindows,
    record=Shape(
        description="One row for each case, in its latest status.",
        fields={
            KEY: Field("bigint", "CGID of the response that the case belongs to."),
            "status": text("Status of the case: open, progress, closed, or one of your own."),
            "note": text("Note on the case."),
            "happened_at": timestamp("When the status changed."),
            "time_to_follow_up": Field("bigint", "Whole hours until the follow-up began."),
            "time_to_close": Field("bigint", "Whole hours until the case was closed."),
        },
    ),
)
