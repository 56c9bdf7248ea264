"""What the two kinds of accounts have in common: an Official Account and a personal one each are a line."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

from starlette.routing import BaseRoute

from bot.api import Attachment, Finding, Incoming, Journal, MenuEntry, Place, Reply, Submit


class Line(Protocol):
    """The part of `bot.api.Adapter` that one kind of account needs."""

    prefix: ClassVar[str]
    """What the `account` of its places and the `ref` of its attachments begin with."""

    tools: ClassVar[Mapping[str, str]]
    """Its commands for the operator."""

    async def run(self, submit: Submit) -> None:
        """As `Adapter.run`."""

    def reply(self, incoming: Incoming, journal: Journal) -> Reply:
        """As `Adapter.reply`."""

    async def fetch(self, attachment: Attachment) -> bytes:
        """As `Adapter.fetch`."""

    def routes(self, submit: Submit) -> Sequence[BaseRoute]:
        """As `Adapter.routes`."""

    async def forget(self, place: Place) -> None:
        """Keep nothing any more of what was said in this place, a person's with the account. Raises `Unavailable`."""

    async def check(self) -> Sequence[Finding]:
        """As `Adapter.check`."""

    def know(self, commands: Sequence[MenuEntry]) -> None:
        """These are the commands that people may write."""

    async def use(self, tool: str, say: Callable[[str], None]) -> int:
        """As `Equipped.use`."""

    async def close(self) -> None:
        """As `Adapter.close`."""
