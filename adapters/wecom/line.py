"""What a line of WeCom's is: one kind of account, with the part of `bot.api.Adapter` that it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol

from starlette.routing import BaseRoute

from bot.api import (
    Attachment,
    Finding,
    Gone,
    Incoming,
    Journal,
    MenuEntry,
    Person,
    Place,
    Reply,
    ReplyPart,
    Submit,
)


class Line(Protocol):
    """A self-built app, customer service, or a smart bot.

    `prefix` begins its `Place.account` and the `ref` of its attachments, so that whoever answers finds the line.
    """

    prefix: ClassVar[str]

    async def run(self, submit: Submit) -> None:
        """Receive until cancelled; return at once where everything arrives by `routes`."""

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """A reply to `incoming`."""

    async def fetch(self, attachment: Attachment) -> bytes:
        """Download an attachment. Raises `Gone`, `Unavailable`."""

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """What the HTTP server serves for this line alone."""

    async def forget(self, place: Place, person: Person) -> None:
        """Keep nothing any more of what this person was answered here. Raises `Unavailable`."""

    async def check(self) -> Sequence[Finding]:
        """Whether WeCom takes the credentials. Raises nothing."""

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """Take the commands that people may use."""

    async def close(self) -> None:
        """End every connection. Raises nothing."""


class Nowhere:
    """A `bot.api.Reply` to what came by a line that is not set up any more."""

    async def send(self, part: ReplyPart) -> None:
        """Raises `Gone`."""
        raise Gone("the account that heard this is not set up any more")

    async def abandon(self) -> None:
        """There is nothing to end."""
