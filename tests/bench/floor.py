"""The least program that streams answers: from the endpoint straight into a Redis stream, delta by delta.

`python -m tests.bench.floor BASE_URL REDIS_URL CONVERSATIONS MESSAGES TEXT` writes its seconds and CPU seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass

import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport
from redis.asyncio import BlockingConnectionPool, Redis

from tests.simulators.endpoint import KEY


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked: where, how often in each of how many conversations."""

    url: str
    conversations: int
    messages: int
    text: str


async def converse(http: httpx.AsyncClient, redis: Redis, name: str, task: Task) -> None:
    """One conversation: each answer's deltas go into the stream `name`."""
    body = {"model": "small", "messages": [{"role": "user", "content": task.text}], "stream": True}
    for _ in range(task.messages):
        async with http.stream("POST", f"{task.url}/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                for choice in json.loads(line[6:])["choices"]:
                    if delta := choice["delta"].get("content"):
                        await redis.xadd(name, {"delta": delta})
    await redis.delete(name)


async def run(store: str, task: Task) -> dict[str, float]:
    """All conversations at once; `seconds` and `cpu` of the whole."""
    redis = Redis.from_pool(BlockingConnectionPool.from_url(store, max_connections=64))
    transport = AiohttpTransport()
    async with httpx.AsyncClient(
        transport=transport,
        headers={"Authorization": f"Bearer {KEY}"},
        timeout=60,
        limits=httpx.Limits(max_connections=None),
    ) as http:
        began, used = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for n in range(task.conversations):
                group.create_task(converse(http, redis, f"floor:{n}", task))
        spent = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    await redis.aclose()
    return spent


if __name__ == "__main__":
    _, base_url, store_url, many, each, said = sys.argv
    sys.stdout.write(json.dumps(uvloop.run(run(store_url, Task(base_url, int(many), int(each), said)))))
