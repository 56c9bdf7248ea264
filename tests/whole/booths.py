"""One person before the bot on each platform, who sends pictures and recordings and keeps what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from tests.process import Visitor
from tests.simulators.slack import Channel, Message
from tests.simulators.slack import Person as Slacker
from tests.simulators.slack.files import File
from tests.simulators.telegram import Chat, Person, Shown
from tests.simulators.wechat import Account
from tests.simulators.wechat import Person as Follower
from tests.simulators.wecom import Member

PATIENCE = 60.0
"""Seconds in which an answer has to be complete on a busy machine."""


@dataclass(frozen=True)
class Item:
    """One thing that a person sees of the bot: words, or a picture or recording with its words."""

    kind: Literal["text", "image", "audio", "file"]
    text: str = ""
    data: bytes = b""


class Booth(Protocol):
    """`records` is the form of its app's voice messages, `plays` that of the bot's, as `kinds.sniff` calls it."""

    name: str
    records: str
    plays: str

    async def says(self, text: str) -> None:
        """Write something."""

    async def speaks(self, recording: bytes) -> None:
        """Send a voice message."""

    async def shows(self, picture: bytes, words: str) -> None:
        """Send a photograph, with words where the app can, else the words behind it."""

    async def seen(self) -> Sequence[Item]:
        """Everything of the bot's that stands there, in order."""


async def sees(booth: Booth, before: int, whole: Callable[[Sequence[Item]], bool]) -> Sequence[Item]:
    """What came behind the first `before` items, as soon as it is `whole`."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not whole(new := (await booth.seen())[before:]):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the bot is in another process
    except TimeoutError:
        found = [f"{item.kind} ({len(item.data)}): {item.text[:300]}" for item in new]
        raise AssertionError(f"{booth.name}: not complete: {found}") from None
    return new


@dataclass
class TelegramBooth:
    """A private chat."""

    chat: Chat
    person: Person
    name: str = "Telegram"
    records: str = "opus"
    plays: str = "opus"

    async def says(self, text: str) -> None:
        await self.person.says(self.chat, text)

    async def replies(self, text: str) -> None:
        """Answer the bot's last picture."""
        pictured = [m for m in self.chat.from_bot if m.media is not None and m.media.kind == "photo"]
        await self.person.says(self.chat, text, reply_to=pictured[-1])

    async def speaks(self, recording: bytes) -> None:
        await self.person.sends_voice(self.chat, recording)

    async def shows(self, picture: bytes, words: str) -> None:
        await self.person.sends_document(self.chat, picture, "IMG_0001.JPG", "image/jpeg", caption=words)

    async def seen(self) -> Sequence[Item]:
        return [_telegram(message) for message in self.chat.from_bot]


def _telegram(message: Shown) -> Item:
    if message.media is None:
        return Item("text", message.text)
    kind = message.media.kind
    return Item(
        "image" if kind == "photo" else "audio" if kind in ("voice", "audio") else "file",
        message.text,
        message.media.content,
    )


@dataclass
class SlackBooth:
    """A direct message with the app, in one thread."""

    channel: Channel
    person: Slacker
    first: Message | None = None
    name: str = "Slack"
    records: str = "m4a"
    plays: str = "mp3"

    async def says(self, text: str) -> None:
        self._open(await self.person.says(self.channel, text, thread=self.first))

    async def speaks(self, recording: bytes) -> None:
        # As an iPhone labels its clips.
        self._open(await self.person.speaks(self.channel, recording, "video/mp4", thread=self.first))

    async def shows(self, picture: bytes, words: str) -> None:
        file = File(picture, "IMG_0001.JPG", "image/jpeg")
        self._open(await self.person.uploads(self.channel, file, text=words, thread=self.first))

    async def seen(self) -> Sequence[Item]:
        found = []
        for message in self.first.thread.from_app if self.first else ():
            if message.shown:
                found.append(Item("text", message.shown))
            found += [Item(_family(file.mime), "", file.content) for file in message.files]
        return found

    def _open(self, written: Message) -> None:
        self.first = self.first or written


def _family(mime: str) -> Literal["image", "audio", "file"]:
    family = mime.partition("/")[0]
    return "image" if family == "image" else "audio" if family == "audio" else "file"


@dataclass
class WeChatBooth:
    """A follower of an Official Account: a picture has no words there."""

    account: Account
    person: Follower
    name: str = "WeChat Official Account"
    records: str = "amr"
    plays: str = "amr"

    async def says(self, text: str) -> None:
        await self.person.says(text)

    async def speaks(self, recording: bytes) -> None:
        await self.person.sends_voice(self._put("audio/amr", recording))

    async def shows(self, picture: bytes, words: str) -> None:
        await self.person.sends_image(self._put("image/jpeg", picture))

    async def seen(self) -> Sequence[Item]:
        found = []
        for one in self.person.shown:
            assert one.kind != "error", "WeChat has shown that the bot is out of order"
            if one.kind == "text":
                found.append(Item("text", one.value))
            else:
                data = self.account.media[one.value][1]
                found.append(Item("image" if one.kind == "image" else "audio", "", data))
        return found

    def _put(self, mime: str, data: bytes) -> str:
        media = f"sent-{len(self.account.media)}"
        self.account.media[media] = (mime, data)
        return media


@dataclass
class WeComBooth:
    """A member of a company, before the company's app: a picture has no words there either."""

    member: Member
    name: str = "WeCom app"
    records: str = "amr"
    plays: str = "amr"

    async def says(self, text: str) -> None:
        await self.member.says(text)

    async def speaks(self, recording: bytes) -> None:
        await self.member.sends("voice", recording)

    async def shows(self, picture: bytes, words: str) -> None:
        await self.member.sends("image", picture)

    async def seen(self) -> Sequence[Item]:
        kinds: dict[str, Literal["text", "image", "audio"]] = {
            "text": "text",
            "image": "image",
            "voice": "audio",
        }
        return [
            Item(kinds.get(message.kind, "file"), message.text, message.data)
            for message in self.member.messages
            if not message.recalled
        ]


@dataclass
class WebBooth:
    """A visitor of the page. `bring` is the way of every kind of file."""

    visitor: Visitor
    name: str = "web page"
    records: str = "webm"
    plays: str = "mp3"
    kept: dict[str, bytes] = field(default_factory=dict)

    async def says(self, text: str) -> None:
        await self.visitor.ask(text)

    async def speaks(self, recording: bytes) -> None:
        await self.bring(recording, "recording.webm", "audio/webm")

    async def shows(self, picture: bytes, words: str) -> None:
        await self.bring(picture, "IMG_0001.JPG", "image/jpeg", words)

    async def bring(self, data: bytes, name: str, mime: str, words: str = "") -> str:
        """Send a file; the message's id."""
        return await self.visitor.ask(words, attached=[await self.visitor.upload(data, name, mime)])

    async def seen(self) -> Sequence[Item]:
        found = []
        for item in await self.visitor.history():
            for part in item["parts"]:
                if part["type"] == "media":
                    data = self.kept.get(part["id"]) or await self.visitor.media(part["id"])
                    found.append(Item(part["media"], part["caption"], self.kept.setdefault(part["id"], data)))
                elif part.get("text"):
                    found.append(Item("text", part["text"]))
        return found
