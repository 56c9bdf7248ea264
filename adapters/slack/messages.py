"""One message of ours in a thread: how it is sent, changed and deleted, in the best form that Slack takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from adapters._draft import Missing
from adapters.slack import rendering
from adapters.slack.client import TRIES, Client, Clients, Refused
from adapters.slack.orphans import mark
from adapters.slack.rendering import Block
from adapters.slack.stream import Stream, end
from bot.api import Incoming

_PACE = 3.0  # seconds between two updates of a growing message (chat.update: tier 3, fifty a minute)
_NO_EDITS = 3600.0
_LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"})
_TOO_MUCH = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "msg_too_long"})


@dataclass(slots=True)
class Post:
    """A message. `wanted` is the text that it is to show, `shown` what it shows, `below` the blocks under it.

    `plain` text is no Markdown; what `asks` has its answers below. `due` is when growing text may change it again,
    by the client's clock.
    """

    ts: str = ""
    wanted: str = ""
    shown: str = ""
    plain: bool = False
    below: list[Block] = field(default_factory=list)
    stream: Stream | None = None
    asks: bool = False
    due: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether it shows what is wanted."""
        return self.stream is None and self.shown == self.wanted


class Messages:
    """The messages of the answer to `message`. All calls raise `Refused`, `Later`, `Gone`, `Unavailable`."""

    def __init__(self, clients: Clients, message: Incoming) -> None:
        self.message = message
        self.chat = message.place.chat
        self.thread = message.place.thread or None
        self._clients = clients
        self._known: Client | None = None

    async def client(self) -> Client:
        """The workspace's client."""
        if self._known is None:
            self._known = await self._clients.of(self.message.place.account)
        return self._known

    async def send(self, post: Post) -> Post:
        """Post a message, which has its `ts` then."""
        sent = await self._call(
            "chat.postMessage",
            post,
            post.below,
            thread_ts=self.thread,
            metadata=mark(self.message),
            unfurl_links=False,
            unfurl_media=False,
        )
        post.ts, post.shown = str(sent["ts"]), post.wanted
        post.due = (await self.client()).clock() + _PACE
        return post

    async def update(self, post: Post, below: list[Block], *, tries: int = TRIES) -> None:
        """Change a message, and what stands under it. Raises `Missing` where that is not possible."""
        client = await self.client()
        post.due = client.clock() + _PACE
        try:
            await self._call("chat.update", post, below, ts=post.ts, tries=tries)
        except Refused as error:
            if error.error not in _LOST:
                raise
            if error.error == "edit_window_closed":
                client.disallow("updates", _NO_EDITS)
                if not post.whole:  # it must not stay beside the one that is made in its place
                    await self.delete(post.ts)
            raise Missing(post.ts) from None
        post.shown, post.below = post.wanted, below

    async def delete(self, ts: str) -> None:
        """Delete a message, or empty it where that is not allowed."""
        client = await self.client()
        await end(client, self.chat, ts)
        try:
            await client.call("chat.delete", channel=self.chat, ts=ts, tries=TRIES)
        except Refused as error:
            if error.error not in _LOST:
                await self._empty(client, ts)

    async def _empty(self, client: Client, ts: str) -> None:
        try:
            await client.call("chat.update", channel=self.chat, ts=ts, text="…", blocks=[], tries=TRIES)
        except Refused:
            return  # it cannot be reached any more

    async def _call(self, method: str, post: Post, below: list[Block], **params: Any) -> dict[str, Any]:
        client = await self.client()
        text, (*forms, last) = rendering.fallback(post.wanted or rendering.labels(below)), _forms(post, below)
        for blocks in forms:
            try:
                return await client.call(method, channel=self.chat, text=text, blocks=blocks, **params)
            except Refused as error:
                if error.error not in _TOO_MUCH:
                    raise
        return await client.call(method, channel=self.chat, text=text, blocks=last, **params)


def _forms(post: Post, below: list[Block]) -> list[list[Block]]:
    """How a message may look, best first: Slack's own idea of its limits is the one that counts."""
    plain = rendering.plain(post.wanted)
    if post.plain:
        return [[*plain, *below]]
    return [[*rendering.markdown(post.wanted), *below], [*plain, *below], plain]
