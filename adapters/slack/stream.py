"""One message that Slack shows while it is written: begun, added to, and stopped before Slack drops it.

https://docs.slack.dev/reference/methods/chat.startStream . What stands nowhere: a stream ends some five minutes
after its start, or when nothing came for a while (https://github.com/slackapi/python-slack-sdk/issues/1859); while
it is open, chat.update and chat.delete are refused.
"""

from __future__ import annotations

from typing import Any

from adapters._draft import Later, Missing
from adapters.slack.client import TRIES, Client, Refused
from adapters.slack.rendering import Block
from bot.api import Incoming, Unavailable

AGE = 240.0
"""Seconds after which an answer goes on in a new stream."""

FORBIDDEN = 3600.0
"""Seconds for which a workspace that does not allow streams is not asked again."""

_ENDED = frozenset({"message_not_in_streaming_state", "stopped_by_user"})
_LOST = frozenset({"message_not_found", "cant_update_message", "message_not_owned_by_app"})

# Told of one question, not of a kind of place.
_ONCE = frozenset({"invalid_thread_ts", "thread_not_found", "user_not_found", "msg_too_long", "no_text"})


class Dropped(Exception):
    """Slack takes no more words into the stream. What it shows is what it took, and it can be updated now."""


class Forbidden(Exception):
    """There can be no stream here."""


class Stream:
    """An open stream. `sent` is what it surely shows; `torn`, that it may show more than that.

    `began` is by the clock of the client.
    """

    def __init__(self, client: Client, channel: str, ts: str, sent: str) -> None:
        self.ts = ts
        self.sent = sent
        self.torn = False
        self.began = client.clock()
        self._client = client
        self._channel = channel

    @property
    def old(self) -> bool:
        """Whether Slack will soon end it."""
        return self._client.clock() - self.began >= AGE

    def extends(self, text: str) -> bool:
        """Whether `text` begins with what is shown, so that the rest of it can be added."""
        return not self.torn and text.startswith(self.sent)

    async def append(self, text: str) -> None:
        """Add what `text` has beyond what was sent. Raises `Dropped`, `Missing`, `Later`, `Gone`, `Unavailable`."""
        added = text[len(self.sent) :]
        if not added:
            return
        try:
            await self._call("chat.appendStream", markdown_text=added)
        except Later:
            raise
        except Unavailable:
            self.torn = True  # it may have been added, and the next words must not come twice
            raise
        self.sent = text

    async def stop(self, text: str, below: list[Block], session: str | None = None) -> None:
        """Add the rest of `text`, and `below` under it, and end the stream. Raises as `append` does.

        `session` is the status that the agent's session has then.
        """
        await self._call(
            "chat.stopStream",
            tries=TRIES,
            markdown_text=text[len(self.sent) :] or None,
            blocks=below or None,
            session_status=session,
        )
        self.sent = text

    async def _call(self, method: str, *, tries: int = 1, **params: Any) -> None:
        try:
            await self._client.call(method, channel=self._channel, ts=self.ts, tries=tries, **params)
        except Refused as error:
            if error.error in _LOST:
                raise Missing(self.ts) from None
            if error.error not in _ENDED:
                await end(self._client, self._channel, self.ts)
            raise Dropped(error.error) from None


async def begin(client: Client, message: Incoming, team: str, text: str) -> Stream:
    """Begin a stream in the thread of `message`. Raises `Forbidden`, `Later`, `Gone`, `Unavailable`.

    `team` is the workspace of the one who asked: another company's in a shared channel. In a channel they see the
    words come, the others the beginning and then the whole answer.
    """
    place = message.place
    if not place.thread or not client.allows(_name(place.chat)):
        raise Forbidden
    try:
        begun = await client.call(
            "chat.startStream",
            channel=place.chat,
            thread_ts=place.thread,
            markdown_text=text,
            recipient_team_id=team,
            recipient_user_id=message.person.id,
        )
    except Refused as error:
        if error.error not in _ONCE:
            client.disallow(_name(place.chat), FORBIDDEN)
        raise Forbidden(error.error) from None
    return Stream(client, place.chat, str(begun["ts"]), text)


async def end(client: Client, channel: str, ts: str) -> None:
    """Stop a stream that an earlier attempt may have left open. Raises `Later`, `Gone`, `Unavailable`."""
    try:
        await client.call("chat.stopStream", channel=channel, ts=ts, tries=TRIES)
    except Refused:
        return  # it is none, or not any more


def _name(channel: str) -> str:
    """What may be forbidden: streams to one person, or those in channels."""
    return "streams to a person" if channel.startswith("D") else "streams in channels"
