"""What stands beside ours in somebody's script: dlt's `rest_api` and `sql_database`, for real.

A shop answers over HTTP; a CRM is a SQLite file. Both can have something new, or change.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlt.sources.rest_api import rest_api_source
from dlt.sources.sql_database import sql_database

from customergauge_source.sandbox import Sandbox
from tests.scripted import Reply, Scripted, scripted
from tests.support import query
from tests.truth import differences

ORDERS = "SELECT id, customer FROM orders ORDER BY id"
ITEMS = """
    SELECT orders.id, sku FROM orders__items AS items
    JOIN orders ON orders._dlt_id = items._dlt_parent_id ORDER BY ALL
"""
_CREATE = "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, name TEXT)"
ACCOUNTS = "SELECT id, name FROM accounts ORDER BY id"


@dataclass
class Others:
    """A shop and a CRM.

    Attributes:
        server: What answers for the shop.
        file: The SQLite file of the CRM.
        orders: The orders of the shop, by number.
    """

    server: Scripted
    file: Path
    orders: dict[int, dict[str, Any]]
    accounts: dict[int, str] = field(default_factory=dict)

    def change(self, number: int) -> None:
        """Brings an order and an account, or changes them."""
        before = self.orders.get(number, {"items": []})
        items = [{"sku": f"{number}-{len(before['items'])}-{place}"} for place in range(2)]
        customer = f"{before.get('customer', 'customer')} {number}"
        self.orders[number] = {"id": number, "customer": customer, "items": items}
        self.accounts[number] = f"{self.accounts.get(number, 'account')} {number}"
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute(_CREATE)
            row = (number, self.accounts[number])
            connection.execute("INSERT OR REPLACE INTO accounts VALUES (?, ?)", row)

    def shop(self) -> Any:
        """Returns the source of the shop: dlt's `rest_api`, merged by key."""
        return rest_api_source(
            {
                "client": {"base_url": self.server.url},
                "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
                "resources": [
                    {"name": "orders", "endpoint": {"path": "orders", "paginator": "single_page"}}
                ],
            },
            name="shop",
        )

    def crm(self) -> Any:
        """Returns the source of the CRM: dlt's `sql_database`, replaced as a whole."""
        source = sql_database(f"sqlite:///{self.file}", table_names=["accounts"])
        source.accounts.apply_hints(write_disposition="replace")
        return source

    def both(self) -> list[Any]:
        """Returns both sources."""
        return [self.shop(), self.crm()]

    def differences(self, file: Path) -> list[str]:
        """Returns how their tables differ from what the two have; nothing if equal."""
        wanted = {
            ORDERS: [(number, it["customer"]) for number, it in sorted(self.orders.items())],
            ITEMS: sorted(
                (number, item["sku"]) for number, it in self.orders.items() for item in it["items"]
            ),
            ACCOUNTS: sorted(self.accounts.items()),
        }
        return [
            f"{sql}: {got}, not {rows}"
            for sql, rows in wanted.items()
            if (got := query(file, sql)) != rows
        ]


@contextmanager
def others(folder: Path) -> Iterator[Others]:
    """Runs a shop and a CRM, each with three entries."""
    orders: dict[int, dict[str, Any]] = {}

    def answer(path: str, *_: str) -> Reply:
        assert path.startswith("/orders")
        return Reply(json.dumps([*orders.values()]).encode())

    with scripted(answer) as server:
        running = Others(server, folder / "crm.sqlite", orders)
        for number in (1, 2, 3):
            running.change(number)
        yield running


def wrong(
    folder: Path, account: Sandbox, beside: Others, name: str = "customergauge.duckdb"
) -> list[str]:
    """Returns how the tables of all three sources differ from what is there; nothing if equal."""
    return differences(folder / name, account.records) + beside.differences(folder / name)


def news(account: Sandbox, beside: Others) -> None:
    """Brings something new everywhere, and an edit of what is loaded."""
    account.arrive(5)
    account.redeliver(account.records[3]["number_customergauge"], nps=0, tags=[])
    for number in (2, len(beside.orders) + 1):
        beside.change(number)
