"""WeCom's interface as its app and customer service use it: the token, and what a refusal means for an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters._draft import PATIENCE, Later
from adapters._tencent import Api, ApiRefused, Grant
from bot.api import Gone, Store, Unavailable

TEXT_LIMIT = 2048
"""Bytes of one text; more is cut off in silence (developer.work.weixin.qq.com/document/path/90236, 94677)."""

FAST = frozenset({45009, 45011, 45033})
"""Codes for too many calls: to one member in a minute or an hour, in a minute, at once."""

_GONE = frozenset(
    {
        40003,  # no such member
        40096,  # no such person in WeChat
        48002,  # the person does not take messages of this kind
        60011,  # the app may not see the member
        60111,  # no such member
        81013,  # none of the receivers exists, or the app may not see them
        95004,  # no such customer-service account
    }
)
_STEPS = (2.0, 4.0, 8.0, 16.0, 30.0)
T = TypeVar("T")


def interface(name: str, base_url: str, store: Store, *, corp: str, secret: str) -> Api:
    """An account's interface; `name` tells its token from those of the others.

    Source: developer.work.weixin.qq.com/document/path/91039 (gettoken).
    """
    grant = Grant("/cgi-bin/gettoken", query={"corpid": corp, "corpsecret": secret})
    return Api(base_url, store, name=name, grant=grant, secret=secret)


def fault(refused: ApiRefused) -> Gone | Unavailable:
    """What a refusal means for an answer: nobody will ever see it, or it is tried again later.

    A wrong secret or an address that is not trusted is the operator's to mend, and the answer may wait for that.
    """
    return Gone(str(refused)) if refused.code in _GONE else Unavailable(str(refused))


async def patiently(
    call: Callable[[], Awaitable[T]], *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> T:
    """Do it, and again after a pause while WeCom finds us too fast, for up to `PATIENCE` seconds in all.

    Raises `ApiRefused` for any other refusal, `Later`, and what `call` raises.
    """
    waited, tries = 0.0, 0
    while True:
        pause = _STEPS[min(tries, len(_STEPS) - 1)]
        try:
            return await call()
        except ApiRefused as refused:
            if refused.code not in FAST:
                raise
        except Later as later:
            pause = max(pause, later.seconds)
        if waited + pause > PATIENCE:
            raise Later(pause)
        await sleep(pause)
        waited, tries = waited + pause, tries + 1
