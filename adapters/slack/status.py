"""What Slack shows as being done in a thread while nothing is answered yet."""

from __future__ import annotations

import math

from adapters.slack.client import Client, Refused
from adapters.slack.words import say
from bot.api import Gone, Incoming, Unavailable

_SESSIONS = "agents.sessions.setStatus"
_THREADS = "assistant.threads.setStatus"
_HOUR = 3600.0

# What will not change while we run; anything else is asked again after an hour.
_NEVER = frozenset({"access_denied", "missing_scope", "not_allowed_token_type", "unknown_method"})


class Status:
    """The status of one thread.

    An agent's session is "processing" until it is said to be "active" again, and Slack shows a button to stop
    meanwhile (https://docs.slack.dev/ai/agent-sessions). An app without sessions has a line of text, which the next
    message takes away. Where there is neither, nothing is shown, and after one refusal nothing is asked. Nothing is
    raised: it is the words' business to find out what is wrong. `left`: an earlier attempt may have shown something.
    """

    def __init__(self, message: Incoming, *, left: bool = False) -> None:
        self._place = message.place
        self._language = message.person.language
        self._shown = ""  # the method by which something is shown now
        self._left = left

    async def show(self, client: Client, doing: str) -> None:
        """Show that something is done: a key of the words in `adapters.slack.words`, without `status.`."""
        if await self._set(client, _SESSIONS, status="processing"):
            self._shown = _SESSIONS
        elif await self._set(client, _THREADS, status=say(self._language, f"status.{doing}")):
            self._shown = _THREADS

    @property
    def remains(self) -> bool:
        """Whether there is something to clear."""
        return bool(self._shown) or self._left

    @property
    def session(self) -> str | None:
        """What the end of a stream has to say of the session, where there is one."""
        return "active" if self._shown == _SESSIONS else None

    def stopped(self) -> None:
        """A stream has ended, and with it what was shown."""
        self._shown = ""

    async def clear(self, client: Client) -> None:
        """Show nothing any more."""
        shown = self._shown or (_SESSIONS if self._left else "")
        self._shown, self._left = "", False
        if shown:
            await self._set(client, shown, status="active" if shown == _SESSIONS else "")

    async def _set(self, client: Client, method: str, *, status: str) -> bool:
        what = f"{method} {self._place.chat[:1]}"
        if not self._place.thread or not client.allows(what):
            return False
        try:
            if method == _SESSIONS:
                await client.call(
                    "agents.sessions.setStatus",
                    channel_id=self._place.chat,
                    thread_ts=self._place.thread,
                    status=status,
                    timeout=10,
                )
            else:
                await client.call(
                    "assistant.threads.setStatus",
                    channel_id=self._place.chat,
                    thread_ts=self._place.thread,
                    status=status,
                    timeout=10,
                )
        except Refused as error:
            client.disallow(what, math.inf if error.error in _NEVER else _HOUR)
            return False
        except (Gone, Unavailable):
            return False
        return True
