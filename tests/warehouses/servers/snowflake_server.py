"""Run fakesnow's server; started by the Python of the `snowflake` environment.

fakesnow 0.12.1 does not understand some of what dlt's Snowflake destination and version 5 of the
vendor's connector send. Every patch here is on the emulator's side and says what it is for; dlt
and the connector stay as they are. Usage: snowflake_server.py PORT
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import fakesnow.copy_into as copying
import fakesnow.cursor as cursors
import fakesnow.server as serving
import sqlglot
import uvicorn
from snowflake.connector.errors import Error, ProgrammingError
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection
    from starlette.requests import Request

_FILE_STATEMENT = re.compile(r"\s*(PUT|COPY\s+INTO)\b", re.IGNORECASE)
_QUOTED_MATCH = re.compile(r"(MATCH_BY_COLUMN_NAME\s*=\s*)'(\w+)'", re.IGNORECASE)
_FILE_FORMAT = re.compile(r"(?<=FILE_FORMAT)\s*=\s*\([^)]*\)", re.IGNORECASE)
_PUT_TARGET = re.compile(r"^(\s*PUT\s+'[^']*'\s+)'(@[^']*)'", re.IGNORECASE)


def in_plain_words(statement: str) -> str:
    """Rewrite a PUT or COPY INTO into the spelling that the emulator's parser knows.

    Snowflake takes MATCH_BY_COLUMN_NAME and the target of a PUT with or without quotes, and commas
    or blanks between the options of a FILE_FORMAT. The emulator knows the plainer form alone.
    """
    statement = _QUOTED_MATCH.sub(r"\1\2", statement)
    statement = _FILE_FORMAT.sub(lambda options: options[0].replace(",", " "), statement)
    return _PUT_TARGET.sub(r"\1\2", statement)


def split(script: str) -> list[str]:
    """Split a script at its semicolons, those in strings and comments excepted."""
    statements, start = [], 0
    for token in sqlglot.tokenize(script, read="snowflake"):
        if token.token_type is sqlglot.TokenType.SEMICOLON:
            statements.append(script[start : token.start])
            start = token.end + 1
    statements.append(script[start:])
    return [statement for statement in statements if statement.strip()]


def patch_statements() -> None:
    """Let a request hold several statements, and answer every failure as a failure of SQL.

    dlt sends a merge as one request of many statements. And an exception that is none of the
    connector's becomes an HTTP 500, on which the connector retries for minutes.
    """
    execute = cursors.FakeSnowflakeCursor.execute

    def execute_all(self: Any, command: str, *args: Any, **kwargs: Any) -> Any:
        is_about_files = _FILE_STATEMENT.match(command)
        statements = [in_plain_words(command)] if is_about_files else split(command)
        try:
            for statement in statements:
                execute(self, statement, *args, **kwargs)
        except Error:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise ProgrammingError(msg=reason, errno=9999, sqlstate="99999") from error
        return self

    cursors.FakeSnowflakeCursor.execute = execute_all


@dataclasses.dataclass
class MatchedJson(copying.ReadParquet):  # type: ignore[misc]
    """Reads newline-delimited JSON with named columns, in the place of a Parquet reader.

    Attributes:
        columns: The table's columns and their DuckDB types, by upper-case name.
        connection: Where the names of a file's columns are looked up.
    """

    columns: dict[str, str]
    connection: DuckDBPyConnection

    def read_expression(self, url: str) -> sqlglot.Expr:
        """Return the call that reads a file with the types of the table."""
        spec = {
            name: self.columns[name.upper()]
            for name in json_columns(url, self.connection)
            if name.upper() in self.columns
        }
        pairs = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in spec.items())
        return sqlglot.parse_one(
            f"read_json({_quoted(url)}, format='newline_delimited', columns={{{pairs}}})",
            read="duckdb",
        )


def json_columns(url: str, connection: DuckDBPyConnection) -> list[str]:
    """Return the keys that occur in a file of newline-delimited JSON."""
    keys = f"SELECT DISTINCT unnest(json_keys(json)) FROM read_json_objects({_quoted(url)})"
    return [row[0] for row in connection.execute(keys).fetchall()]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def patch_json_copy() -> None:
    """Let COPY INTO match the columns of JSON files by name.

    The emulator does it for Parquet alone, and dlt's own state table always comes as JSON. So
    such a COPY takes the way of Parquet, with a reader of its own.
    """
    parameters: Callable[..., Any] = copying._params  # noqa: SLF001
    parquet_columns: Callable[..., list[str]] = copying._get_parquet_column_names  # noqa: SLF001

    def matching(expr: Any, *args: Any, **place: Any) -> Any:
        found = parameters(expr, *args, **place)
        by_name = found.match_by_column_name is not copying.MatchByColumnName.NONE
        if not (by_name and isinstance(found.file_format, copying.ReadJSON)):
            return found
        table = copying._extract_table(expr.this)  # noqa: SLF001
        described = copying._describe_table(table, **place)  # noqa: SLF001
        columns = {name.upper(): kind for name, kind in described}
        return dataclasses.replace(found, file_format=MatchedJson(columns, place["duck_conn"]))

    def column_names(url: str, connection: DuckDBPyConnection) -> list[str]:
        is_json = url.removesuffix(".gz").endswith(".jsonl")
        return json_columns(url, connection) if is_json else parquet_columns(url, connection)

    copying._params = matching  # noqa: SLF001
    copying._get_parquet_column_names = column_names  # noqa: SLF001


def patch_stage() -> None:
    """Complete what the answer to a PUT tells of the stage.

    Version 5 of the connector insists on the first three; and the emulator always answers that
    files are not to be overwritten, while dlt always asks for it.
    """
    stage_info = serving.gcs_stage_info

    def complete(request: Request, expr: Any, put: dict[str, Any]) -> dict[str, Any]:
        put["overwrite"] = True
        extra = {"region": "us", "path": "", "isClientSideEncrypted": False}
        known: dict[str, Any] = stage_info(request, expr, put)
        return extra | known

    serving.gcs_stage_info = complete


async def login(request: Request) -> JSONResponse:
    """Sign in as the emulator does, and add the master token that connector 5 insists on."""
    answer = await serving.login_request(request)
    content = json.loads(answer.body)
    if content["success"]:
        master = {"masterToken": "m" + content["data"]["token"], "sessionId": 1}
        lifetimes = {"validityInSeconds": 3600, "masterValidityInSeconds": 14400}
        content["data"] |= master | lifetimes
    return JSONResponse(content, status_code=answer.status_code)


def application() -> Starlette:
    """Return the emulator's application with every patch in place."""
    patch_statements()
    patch_json_copy()
    patch_stage()
    # The first route that matches wins.
    own = Route("/session/v1/login-request", login, methods=["POST"])
    return Starlette(routes=[own, *serving.routes])


if __name__ == "__main__":
    uvicorn.run(application(), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
