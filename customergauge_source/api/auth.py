"""Credentials that authenticate requests, and renew themselves.

`POST https://auth.{region}.customergauge.com/oauth2/token`, client credentials in a form body
(GET Responses, v7: "OAuth2 Authentication"; a token lives one hour, KB/5000846993).
"""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from dlt.common import pendulum
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from requests import PreparedRequest, Response

from customergauge_source.api.answers import described, raise_for_failure, said
from customergauge_source.exceptions import ApiContractError, CredentialsRefusedError
from customergauge_source.secrecy import HIDDEN, remember
from customergauge_source.tables.encoding import decode

TOKEN_LIFE: Final = 3600
"""Seconds that a token lives when the answer does not say (KB/5000846993)."""
_LONGEST_LIFE: Final = 240 * TOKEN_LIFE
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


class CustomerGaugeCredentials(OAuth2ClientCredentials):
    """Client id and secret of a connected app; an authenticator of `requests`.

    One token is used for its life. A 401 gets it renewed once and the same request sent again.
    """

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Signs a request."""
        request.register_hook("response", self._renew_once)  # type: ignore[no-untyped-call]
        return super().__call__(request)

    def obtain_token(self) -> None:
        """Gets a token.

        Raises:
            CredentialsRefusedError: The client id and secret are not accepted.
            ApiError: The token endpoint failed, or answered without a token.
        """
        self.access_token = None
        pair = f"{self.client_id}:{self.client_secret}".encode()
        remember(self.client_secret, base64.b64encode(pair).decode().rstrip("="))
        response = self.session.post(
            self.access_token_url,
            **self.build_access_token_request(),
            auth=lambda request: request,  # requests would add the credentials of a netrc
            hooks={"response": [self._check_token_answer]},
            allow_redirects=False,
        )
        try:
            answer = decode(response.content)
        except ValueError:
            answer = None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ApiContractError(
                "The token endpoint answered without an access_token; expected a JSON object that"
                f" has one, not {described(response, is_logged=False)}.",
                "Check region, auth_url and proxies; if it lasts, show the message to CustomerGauge"
                " support.",
            )
        remember(token)
        self.access_token = token
        life = self.parse_expiration_in_seconds(answer)
        self.token_expiry = pendulum.now().add(seconds=life)

    @property
    def seconds_left(self) -> int:
        """For how long the token lives yet."""
        return round((self.token_expiry - pendulum.now()).total_seconds())

    def parse_expiration_in_seconds(self, response_json: Any) -> int:  # noqa: ANN401 - dlt's name
        """Returns a token's life; an hour where the answer does not say."""
        life = response_json.get("expires_in")
        usable = isinstance(life, (int, float)) and 0 < life < _LONGEST_LIFE
        return max(1, int(life)) if usable else TOKEN_LIFE

    def _check_token_answer(self, response: Response, **_: Any) -> None:  # noqa: ANN401
        if response.status_code in (400, 401, 403):
            raise CredentialsRefusedError(
                f"CustomerGauge refused the credentials ({response.status_code}): {said(response)}"
            )
        raise_for_failure(response)

    def _renew_once(self, response: Response, **kwargs: Any) -> Response | None:  # noqa: ANN401
        if response.status_code != 401:  # noqa: PLR2004
            return None
        _ = response.content  # read to its end, so that the connection can be used again
        response.close()
        request = response.request
        self.obtain_token()
        request.headers["Authorization"] = f"Bearer {self.access_token}"
        again: Response = response.connection.send(request, **kwargs)
        again.history.append(response)
        return again

    def __str__(self) -> str:
        """Returns a description without secrets."""
        return f"{type(self).__name__}(client_id={HIDDEN}, client_secret={HIDDEN})"

    __repr__ = __str__
