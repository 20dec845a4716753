"""The sandbox as one object: start it, ask it, change its data, break it, close it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING

from .company import Company
from .control import Control
from .exchange import Request
from .faults import Fault
from .feed import DataEndpoint, EmptyCursor
from .plan import FaultPlan
from .server import HOST, SandboxServer
from .tokens import CLIENT_ID, CLIENT_SECRET, TOKEN_PATH, Tokens

if TYPE_CHECKING:
    from typing_extensions import Self

_SECONDS_PER_LOOK = 0.02


class Sandbox(Company):
    """A local CustomerGauge: the token endpoint and a company's feeds on a loopback port.

    It serves from its construction until ``close``, in threads that do not keep the process
    alive.

    Attributes:
        client_id: The client id that it accepts.
        client_secret: The client secret that it accepts.
    """

    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET

    def __init__(  # noqa: PLR0913  # keyword-only, and each is an option of the command line
        self,
        *,
        responses: int = 2500,
        non_responses: int | None = None,
        seed: int = 0,
        latency: float = 0.0,
        records: Iterable[object] | None = None,
        token_life: float = 3600.0,
        empty_cursor: EmptyCursor = "same",
        port: int = 0,
        arrivals_per_second: float = 0.0,
        faults: Iterable[Fault] = (),
        fault_rate: float = 0.0,
        fault_seed: int = 0,
    ) -> None:
        """Start serving.

        Args:
            responses: Generated responses to begin with.
            non_responses: Generated non-responses to begin with; by default half as many as
                generated responses.
            seed: Seed of all that is generated.
            latency: Seconds before each answer of a feed.
            records: JSON values to serve in place of generated responses.
            token_life: Seconds for which a token is good.
            empty_cursor: ``cursor`` on an empty page: ``"same"`` (the one that was sent; null if
                none was), ``"null"``, ``"absent"`` or ``"list"`` (an empty list).
            port: The port; 0 for any that is free.
            arrivals_per_second: Further generated responses that arrive per second.
            faults: Faults to play.
            fault_rate: Share of good requests, 0 to 1, that meet a retryable fault by chance; at
                most two in a row at the same feed, or at the token endpoint.
            fault_seed: Seed of that chance.

        Raises:
            OSError: The port is taken.
            ValueError: ``empty_cursor`` or ``fault_rate`` is not one of the allowed values.
        """
        self._plan = FaultPlan(faults, rate=fault_rate, seed=fault_seed)
        self._tokens = Tokens(token_life)
        super().__init__(
            responses=responses,
            non_responses=non_responses,
            seed=seed,
            records=records,
            arrivals_per_second=arrivals_per_second,
        )
        self._data = DataEndpoint(self._feeds, self._tokens, empty_cursor=empty_cursor)
        self._server = SandboxServer(
            port,
            tokens=self._tokens,
            data=self._data,
            control=Control(self),
            plan=self._plan,
            latency=latency,
        )
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            args=(_SECONDS_PER_LOOK,),
            name="customergauge-sandbox",
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the running sandbox."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the sandbox."""
        self.close()

    def close(self) -> None:
        """Stop serving and end every connection, hanging ones too; again is harmless."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()

    def expire_tokens(self) -> None:
        """Make every token issued so far invalid."""
        self._tokens.expire()

    def inject(self, fault: Fault) -> None:
        """Plan a fault; its page counts from the start of the sandbox."""
        self._plan.inject(fault)

    @property
    def pages_served(self) -> int:
        """Pages of all feeds served in good health so far, empty ones too."""
        return self._plan.pages_served()

    @property
    def tokens(self) -> list[str]:
        """Every token issued so far, expired ones too."""
        return self._tokens.issued

    @property
    def requests(self) -> list[Request]:
        """Every request so far, with the status that it got."""
        return self._server.requests

    @property
    def data_requests(self) -> list[Request]:
        """The requests to any feed."""
        return [request for request in self.requests if self._data.feed_at(request.path)]

    def requests_to(self, feed: str) -> list[Request]:
        """Return the requests to one feed.

        Raises:
            KeyError: There is no such feed.
        """
        path = self._feeds[feed].path
        return [request for request in self.requests if request.path == path]

    @property
    def token_requests(self) -> list[Request]:
        """The requests to the token endpoint."""
        return [request for request in self.requests if request.path == TOKEN_PATH]
