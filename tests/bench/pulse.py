"""Asks an address every ten milliseconds and writes how long each answer took: a blocked event loop shows.

`python -m tests.bench.pulse HOST:PORT SECONDS` writes `{"waits": [seconds, …]}`.
"""

from __future__ import annotations

import http.client
import json
import sys
import time

EVERY = 0.01


def waits(authority: str, seconds: float) -> list[float]:
    """Seconds that each request took, one after the other."""
    connection = http.client.HTTPConnection(authority, timeout=10)
    connection.connect()
    found: list[float] = []
    due = time.perf_counter()
    end = due + seconds
    while due < end:
        time.sleep(max(0.0, due - time.perf_counter()))
        asked = time.perf_counter()
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        found.append(time.perf_counter() - asked)
        due = max(due + EVERY, time.perf_counter())
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"waits": waits(sys.argv[1], float(sys.argv[2]))}))
