# mypy: ignore-errors
"""The shop: a small catalogue, carts and orders, as JSON over HTTP, on one SQLite file.

One process is one instance with a database of its own in a temporary folder, filled at start with
the same 200 products each time. `GET /products`, the busiest route, also asks for stock levels
elsewhere: that wait is drawn per request. Started with `uvicorn shop:app`.
"""

import asyncio
import hashlib
import itertools
import math
import os
import random
import sqlite3
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

VERSION = 1
FAULT = "none"
SEED = 1

PRODUCTS = 200
PAGE = 20
ERROR_SHARE = 0.02
SLOWER = 1.5
LEAK_BYTES = 16 * 1024
LEAK_SECONDS_EACH = 0.00002
LEAK_MOST = 8192

_numbers = itertools.count()
_kept: list[bytes] = []


class Purchase(BaseModel):
    """A product and how many of it; `sku` None: only what is in the cart."""

    sku: int | None = Field(default=None, ge=1)
    quantity: int = Field(default=1, ge=1, le=99)


def catalogue():
    """The products as (sku, name, price_cents, stock), the same for the same seed."""
    dice = random.Random(SEED)  # noqa: S311  (goods, no secrets)
    kinds = ("lamp", "chair", "kettle", "clock", "basket", "mirror", "blanket", "vase")
    looks = ("oak", "brass", "linen", "slate", "amber", "cobalt", "ivory", "moss")
    for sku in range(1, PRODUCTS + 1):
        name = f"{dice.choice(looks)} {dice.choice(kinds)} no. {sku}"
        yield sku, name, dice.randrange(500, 25_000, 5), dice.randrange(1, 500)


def open_database(path):
    """The database file at `path`, created and filled."""
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "CREATE TABLE products (sku INTEGER PRIMARY KEY, name TEXT, price_cents INTEGER,"
        " stock INTEGER);"
        "CREATE TABLE cart (user TEXT, sku INTEGER, quantity INTEGER, PRIMARY KEY (user, sku));"
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, user TEXT, total_cents INTEGER);"
    )
    database.execute("BEGIN")
    database.executemany("INSERT INTO products VALUES (?, ?, ?, ?)", catalogue())
    database.execute("COMMIT")
    return database


@asynccontextmanager
async def lifespan(app):
    """Open the instance's own database, and remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        app.state.database = open_database(Path(folder) / "shop.sqlite")
        yield
        app.state.database.close()


class Stamp:
    """Every answer tells the version that gave it."""

    def __init__(self, app):
        self.app = app
        self.header = (b"x-shop-version", f"v{VERSION}".encode())

    async def __call__(self, scope, receive, send):
        """Pass the request on, and the answer back with the header added."""

        async def stamped(message):
            if message["type"] == "http.response.start":
                message["headers"].append(self.header)
            await send(message)

        await self.app(scope, receive, stamped if scope["type"] == "http" else send)


app = FastAPI(title="shop", version=str(VERSION), lifespan=lifespan)
app.add_middleware(Stamp)


def chances(request, user):
    """Two independent numbers in [0, 1) that belong to this user's request."""
    number = request.headers.get("x-request-id") or next(_numbers)
    drawn = hashlib.blake2b(f"{SEED}/{user}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn[:4]) / 2**32, int.from_bytes(drawn[4:]) / 2**32


def stock_seconds(chance):
    """How long the stock levels take: 6 ms at least, 8.8 ms half the time, p95 18 ms."""
    return 0.006 - 0.004 * math.log(max(1.0 - chance, 0.005))


def leak_seconds():
    """Keep memory that nobody needs; the more is kept, the longer its search takes."""
    if len(_kept) < LEAK_MOST:
        _kept.append(os.urandom(16) * (LEAK_BYTES // 16))
    return len(_kept) * LEAK_SECONDS_EACH


def with_advice(product):
    """From version 2 on: three other products that go with this one."""
    if VERSION >= 2:
        product["recommended"] = [(product["sku"] * 7 + n * 31) % PRODUCTS + 1 for n in range(3)]
    return product


def as_product(row):
    """A product as users see it."""
    sku, name, price_cents, stock = row
    return with_advice({"sku": sku, "name": name, "price_cents": price_cents, "stock": stock})


def refusal(status, sentence, headers=None):
    """An answer that says what is wrong."""
    return JSONResponse({"error": sentence}, status, headers)


@app.get("/health")
async def health():
    """The process lives."""
    return JSONResponse({"status": "live"})


@app.get("/health/ready")
async def ready(request: Request):
    """The database answers, so users can be served."""
    try:
        (found,) = request.app.state.database.execute("SELECT count(*) FROM products").fetchone()
    except sqlite3.Error as error:
        return refusal(503, f"the database does not answer: {error}")
    return JSONResponse({"status": "ready", "products": found})


@app.get("/version")
async def version():
    """Which version this is."""
    return JSONResponse({"service": "shop", "version": VERSION})


@app.get("/products")
async def products(request: Request, page: int = 1):
    """One page of the catalogue."""
    user = request.headers.get("x-user-id")
    for_wait, for_error = chances(request, user)
    seconds = stock_seconds(for_wait)
    if user and FAULT in ("latency", "both"):
        seconds *= SLOWER
    if user and FAULT == "leak":
        seconds += leak_seconds()
    await asyncio.sleep(seconds)
    if user and FAULT in ("errors", "both") and for_error < ERROR_SHARE:
        return refusal(500, "the prices could not be read", {"x-shop-fault": "1"})
    rows = request.app.state.database.execute(
        "SELECT sku, name, price_cents, stock FROM products WHERE sku > ? ORDER BY sku LIMIT ?",
        ((page - 1) * PAGE, PAGE),
    )
    return JSONResponse({"page": page, "total": PRODUCTS, "products": list(map(as_product, rows))})


def find(database, sku):
    """The row of a product, or None."""
    return database.execute(
        "SELECT sku, name, price_cents, stock FROM products WHERE sku = ?", (sku,)
    ).fetchone()


@app.get("/products/{sku}")
async def product(request: Request, sku: int):
    """One product."""
    row = find(request.app.state.database, sku)
    return JSONResponse(as_product(row)) if row else refusal(404, f"no product {sku}")


def put(database, user, purchase):
    """Add to the user's cart."""
    database.execute(
        "INSERT INTO cart VALUES (?, ?, ?)"
        " ON CONFLICT (user, sku) DO UPDATE SET quantity = min(quantity + excluded.quantity, 99)",
        (user, purchase.sku, purchase.quantity),
    )


@app.post("/cart")
async def cart(request: Request, purchase: Purchase):
    """Put a product into the user's cart."""
    database = request.app.state.database
    if purchase.sku is None or not find(database, purchase.sku):
        return refusal(404, f"no product {purchase.sku}")
    user = request.headers.get("x-user-id", "anonymous")
    put(database, user, purchase)
    (lines,) = database.execute("SELECT count(*) FROM cart WHERE user = ?", (user,)).fetchone()
    return JSONResponse({"lines": lines}, 201)


@app.post("/checkout")
async def checkout(request: Request, purchase: Purchase):
    """Buy what is in the user's cart, and the product named."""
    database = request.app.state.database
    user = request.headers.get("x-user-id", "anonymous")
    if purchase.sku is not None:
        if not find(database, purchase.sku):
            return refusal(404, f"no product {purchase.sku}")
        put(database, user, purchase)
    (total,) = database.execute(
        "SELECT sum(quantity * price_cents) FROM cart JOIN products USING (sku) WHERE user = ?",
        (user,),
    ).fetchone()
    if total is None:
        return refusal(409, "the cart is empty")
    database.execute("BEGIN IMMEDIATE")
    order = database.execute(
        "INSERT INTO orders (user, total_cents) VALUES (?, ?)", (user, total)
    ).lastrowid
    database.execute("DELETE FROM cart WHERE user = ?", (user,))
    database.execute("COMMIT")
    return JSONResponse({"order": order, "total_cents": total}, 201)
