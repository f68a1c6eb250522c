"""Stops the line through the API of a home, and dies where it is told: `inside` the transaction,
when key and effect are written and nothing is committed, or `after` it, before the answer.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import httpx

from headway.api import app as doors
from headway.api.v1 import writing
from headway.wiring import Headway, locate


def die(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    home, token, where, key = sys.argv[1:]
    if where == "inside":
        keep = writing.idempotency.keep

        def keep_and_die(*given: Any) -> None:
            keep(*given)
            die()

        writing.idempotency.keep = keep_and_die
    else:
        writing._response = die
    application = doors.app(Headway(locate(home, {})), "t" * 43)
    asyncio.run(ask(application, token, key))


async def ask(application: Any, token: str, key: str) -> None:
    transport = httpx.ASGITransport(application)
    headers = {"authorization": f"Bearer {token}", "idempotency-key": key}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        body = {"command": "stop", "reason": "fire"}
        await client.post("/api/v1/line/commands", json=body, headers=headers)


main()
