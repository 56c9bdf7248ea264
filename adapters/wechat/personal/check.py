"""What `parley check` asks of the personal accounts: who has signed in, and whether WeChat still takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adapters.wechat.personal.accounts import Account, Accounts
from adapters.wechat.personal.client import Client, Ended, Refused
from bot.api import Finding, Unavailable

PATIENCE = 10.0
_SIGN_IN = "sign in: parley wechat login"
_AGAIN = "sign in again: parley wechat login"
_AT_ONCE = 8


async def checked(client: Client, accounts: Accounts, *, patience: float = PATIENCE) -> Sequence[Finding]:
    """What WeChat says of each, in at most `patience` seconds. Nothing is changed there.

    Raises `Unavailable` where the drawer does not tell who has signed in.
    """
    known, unreadable = await accounts.all(), await accounts.unreadable()
    ended = {account.id for account in known if await accounts.ended(account)}
    found = [_other_secret(id) for id in unreadable]
    if not known:
        return found or [Finding("WECHAT_PERSONAL", False, "nobody has signed in", _SIGN_IN)]
    at_once = asyncio.Semaphore(_AT_ONCE)
    asked = [_asked(client, account, account.id in ended, at_once, patience) for account in known]
    return [*found, *await asyncio.gather(*asked)]


async def _asked(
    client: Client, account: Account, ended: bool, at_once: asyncio.Semaphore, patience: float
) -> Finding:
    name = _name(account.id)
    over = Finding(name, False, "WeChat has ended its session", _AGAIN)
    if ended:
        return over
    try:
        async with asyncio.timeout(patience), at_once:
            body = {"ilink_user_id": account.person}
            await client.post(account.base_url, "ilink/bot/getconfig", body, token=account.token)
    except Ended:
        return over
    except Refused as refused:
        return Finding(name, False, f"WeChat refuses: {refused}", f"should it stay so, {_AGAIN}")
    except (Unavailable, TimeoutError) as error:
        detail = str(error) or f"nothing within {patience:g} seconds"
        return Finding("WECHAT_PERSONAL_BASE_URL", False, detail, "is the address right, and open to us?")
    return Finding(name, True, f"signed in for {account.person or 'somebody'}")


def _other_secret(id: str) -> Finding:
    return Finding(
        _name(id), False, "signed in under another WECHAT_PERSONAL_SECRET", f"set that one, or {_AGAIN}"
    )


def _name(id: str) -> str:
    return f"WeChat {id}"
