"""The error tree, by what the user has to do.

Every error says in one line what happened (`str(error)`) and in one line what to do
(`error.remedy`), neither with a secret in it, and carries the exit code that the command line ends
with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from dlt.extract.exceptions import DltSourceException
from dlt.pipeline.exceptions import PipelineStepFailed

from customergauge_source.secrecy import hide


class CustomerGaugeError(DltSourceException):
    """Base of all errors that this package raises.

    It derives from dlt's source exception, which dlt hands on without wrapping it in another one.
    """

    exit_code: ClassVar[int] = 1
    default_remedy: ClassVar[str] = "Run again with --debug and report the traceback."

    def __init__(self, message: str, remedy: str | None = None) -> None:
        self.remedy = hide(remedy or self.default_remedy)
        super().__init__(message)

    def __str__(self) -> str:
        """Returns what happened, without secrets."""
        return hide(super().__str__())

    def of(self, resource: str) -> None:
        """Names the resource that could not be read."""
        self.args = (f"{resource}: {self}",)


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an exception and what it goes back to, the innermost last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = error.exception if isinstance(error, PipelineStepFailed) else None
        error = inner or error.__cause__ or error.__context__


class ConfigurationError(CustomerGaugeError):
    """An argument or a configuration value is missing or wrong: nothing was requested."""

    exit_code = 2
    default_remedy = "Correct the value and run again; nothing was requested or loaded."


class CredentialsRefusedError(CustomerGaugeError):
    """CustomerGauge does not accept the client id and secret, or the token made from them."""

    exit_code = 3
    default_remedy = (
        "Check client_id and client_secret of the connected app, and that the region is the"
        " account's; then run again."
    )


class TokenRefusedError(CredentialsRefusedError):
    """One endpoint does not accept a token that was just issued."""

    default_remedy = (
        "The credentials are good: check that the region, or api_url, is the account's, and what"
        " the connected app may read."
    )


class ApiError(CustomerGaugeError):
    """The API failed."""

    exit_code = 4
    default_remedy = "Run again: the next run goes on at the last committed cursor."


class ApiUnavailableError(ApiError):
    """The API could not be reached, or answered 429 or 5xx, until the tries were used up."""

    default_remedy = (
        "Nothing is lost: the next run goes on at the last committed cursor. If it lasts, ask"
        " CustomerGauge support."
    )


class ApiRefusedError(ApiError):
    """The API understood the request and refuses it (403, 404, 422, …, or a redirect)."""

    default_remedy = "Correct what the API names, or ask the account's administrator."


class ApiContractError(ApiError):
    """The API answered with success, but not with what its documentation promises."""

    default_remedy = (
        "Nothing of this page was loaded. Check api_url and proxies; if it lasts, show the"
        " message to CustomerGauge support."
    )


class RemovalRefusedError(ApiContractError):
    """Records seem to be gone from the account, and it cannot be trusted that they are.

    Attributes:
        gone: Those that would be removed, were they not so many.
    """

    default_remedy = (
        "Nothing was removed; what had changed was merged. Run again; if it lasts, show the message"
        " to CustomerGauge support."
    )

    def __init__(self, message: str, remedy: str | None = None, gone: Sequence[int] = ()) -> None:
        super().__init__(message, remedy)
        self.gone = gone


class UnknownFieldError(ApiContractError):
    """A response carries a field that is not declared, and the setting is to fail on it."""

    default_remedy = (
        'Nothing of this page was loaded. Set unknown_fields to "evolve" to load the field or'
        ' to "ignore" to leave it out.'
    )


class DestinationError(CustomerGaugeError):
    """The destination could not be reached or did not take the data."""

    exit_code = 5
    default_remedy = (
        "Correct the destination and run again: the next run goes on at the last committed cursor."
    )


class PipelineLockedError(CustomerGaugeError):
    """Another run of the same pipeline is under way on this machine."""

    exit_code = 6
    default_remedy = "Wait for the other run to end; the lock goes with its process."
