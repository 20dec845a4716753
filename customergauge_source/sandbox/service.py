"""The sandbox as one object: start it, ask it, change its data, break it, close it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .faults import Fault, FaultPlan
from .feed import DATA_PATH, EmptyCursor, Feed
from .server import HOST, SandboxServer
from .store import Store
from .tokens import CLIENT_ID, CLIENT_SECRET, TOKEN_PATH, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from typing_extensions import Self

    from .exchange import Request

_SECONDS_PER_LOOK = 0.02


class Sandbox:
    """A local CustomerGauge: token endpoint and GET Responses, v7, on a loopback port.

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
            seed: Seed of the generated responses.
            latency: Seconds before each answer of the data endpoint.
            records: JSON values to serve in place of generated responses.
            token_life: Seconds for which a token is good.
            empty_cursor: ``cursor`` on an empty page: ``"same"`` (the one that was sent; null if
                none was), ``"null"``, ``"absent"`` or ``"list"`` (an empty list).
            port: The port; 0 for any that is free.
            arrivals_per_second: Further generated responses that arrive per second.
            faults: Faults to play.
            fault_rate: Share of good requests, 0 to 1, that meet a retryable fault by chance; at
                most two in a row at an endpoint.
            fault_seed: Seed of that chance.

        Raises:
            OSError: The port is taken.
            ValueError: ``empty_cursor`` or ``fault_rate`` is not one of the allowed values.
        """
        self._plan = FaultPlan(faults, rate=fault_rate, seed=fault_seed)
        self._tokens = Tokens(token_life)
        self._store = Store(responses, seed=seed, records=records, rate=arrivals_per_second)
        feed = Feed(self._store, self._tokens, empty_cursor=empty_cursor)
        self._server = SandboxServer(
            port, tokens=self._tokens, feed=feed, plan=self._plan, latency=latency
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

    @property
    def records(self) -> list[Any]:
        """All rows as they would be sent with all four lists, oldest first."""
        return self._store.records()

    @property
    def keys(self) -> list[int]:
        """The internal keys of ``records``, which the cursor counts in."""
        return self._store.keys()

    def arrive(self, count: int) -> None:
        """Let further generated responses appear at the end of the key order."""
        self._store.arrive(count)

    def append(self, *values: object) -> None:
        """Add any JSON values as rows at the end of the key order."""
        self._store.append(*values)

    def edit(self, cgid: int, **changes: object) -> None:
        """Change the newest row with a CGID in place: same key, no second delivery.

        Raises:
            KeyError: No row has this CGID.
        """
        self._store.edit(cgid, changes)

    def redeliver(self, cgid: int, **changes: object) -> None:
        """Put the newest row with a CGID, changed, at the end again; the old row stays.

        Raises:
            KeyError: No row has this CGID.
        """
        self._store.redeliver(cgid, changes)

    def expire_tokens(self) -> None:
        """Make every token issued so far invalid."""
        self._tokens.expire()

    def inject(self, fault: Fault) -> None:
        """Plan a fault; its page counts from the start of the sandbox."""
        self._plan.inject(fault)

    @property
    def pages_served(self) -> int:
        """Data pages served in good health so far, empty ones too."""
        return self._plan.served["data"]

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
        """The requests to the data endpoint."""
        return [request for request in self.requests if request.path == DATA_PATH]

    @property
    def token_requests(self) -> list[Request]:
        """The requests to the token endpoint."""
        return [request for request in self.requests if request.path == TOKEN_PATH]
