"""The messages of one answer in one chat: how each is made, changed, previewed and taken away."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from telegram import Bot, InlineKeyboardMarkup, LinkPreviewOptions, Message, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, InvalidToken

from adapters._draft import Missing, NoPreview, Stage
from adapters.telegram.outbox import TRIES, Outbox
from adapters.telegram.rendering import TEXT_LIMIT, Rendered, render
from bot.api import Gone, Incoming, Media, Unavailable

Moved = Callable[[str, str], Awaitable[None]]
"""Told when a group became a supergroup: its old chat id and its new one."""

GENERAL_TOPIC = "1"
"""The topic that every forum has; a message for it must not name it."""

PHOTO_LIMIT = 10_000_000
"""Bytes (https://core.telegram.org/bots/api#sending-files); more go as a file."""

_MEDIA = "media:"
_PHOTOS = ("image/jpeg", "image/png", "image/webp")
_MUSIC = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/x-m4a": "m4a"}
_VOICE = ("audio/ogg", "audio/opus")
UNCHANGED = "message is not modified"
_LOST = ("message to edit not found", "message_id_invalid", "message can't be edited", "there is no text")
_EMPTY = ("text is empty", "text must be non-empty")

T = TypeVar("T")


class TelegramPosts:
    """`adapters._draft.Posts` for one reply. Ids in the journal are `17`, and `media:17` for what is no text.

    A sent message whose answer does not come may or may not stand in the chat: `Unavailable` is raised, and the
    next attempt may say it once more. Edits, removals and keyboards are repeated instead.
    """

    limit = TEXT_LIMIT

    def __init__(
        self,
        bot: Bot,
        message: Incoming,
        outbox: Outbox,
        *,
        reply_to: int | None = None,
        moved: Moved | None = None,
    ) -> None:
        place = message.place
        self.previews = place.kind == "private" and outbox.drafts
        self.growing: InlineKeyboardMarkup | None = None
        """The keyboard under a post that grows."""
        self.last: InlineKeyboardMarkup | None = None
        """The keyboard under the post that ends the answer."""
        self._bot = bot
        self._outbox = outbox
        self._chat = place.chat
        self._thread = int(place.thread) if place.thread not in ("", GENERAL_TOPIC) else None
        self._answers = reply_to
        self._moved = moved
        self._draft = draft_id(message)
        self._latest: tuple[str, InlineKeyboardMarkup | None] | None = (
            None  # the newest post and its keyboard
        )
        self._asks = False  # that keyboard belongs to a question
        self._rendered: tuple[str, Rendered] = ("", Rendered(""))

    # --- what a draft needs ----------------------------------------------------------------------------------

    def fits(self, text: str) -> bool:
        """Whether `text`, rendered, is one message."""
        return self._render(text).fits()

    async def post(self, text: str, stage: Stage) -> str:
        """Send Markdown as a message."""
        return await words_or_less(self._render(text), lambda words: self._send(words, self._markup(stage)))

    async def edit(self, post: str, text: str, stage: Stage) -> None:
        """Change a message to Markdown. Raises `Missing`."""
        markup, tries = self._markup(stage), 1 if stage == "growing" else TRIES
        await words_or_less(self._render(text), lambda words: self._change(post, words, markup, tries))

    async def preview(self, text: str) -> None:
        """Show a draft: a preview that Telegram keeps for 30 s. Raises `NoPreview`."""
        try:
            await words_or_less(self._render(text), self._preview)
        except BadRequest as error:
            raise NoPreview(error.message) from None
        except InvalidToken:
            # 404: a Bot API server of one's own that is too old. A wrong token is told by the next call.
            self._outbox.drafts = False
            raise NoPreview("the server knows no drafts") from None

    async def remove(self, post: str) -> None:
        """Delete a message, or empty it where that is too late."""
        number = int(post.removeprefix(_MEDIA))
        try:
            await self._call(lambda: self._bot.delete_message(self._chat, number), TRIES)
        except BadRequest as error:
            if self.editable(post) and "not found" not in error.message.lower():
                await self._emptied(post)

    def editable(self, post: str) -> bool:
        """Whether it is a message of text."""
        return not post.startswith(_MEDIA)

    # --- everything else -------------------------------------------------------------------------------------

    async def say(self, text: str, markup: InlineKeyboardMarkup | None = None) -> str:
        """Send plain text of at most `TEXT_LIMIT` units; a keyboard under it is part of what it says."""
        post = await words_or_less(Rendered(text), lambda words: self._send(words, markup))
        self._asks = markup is not None
        return post

    async def say_in(self, post: str, text: str, markup: InlineKeyboardMarkup | None = None) -> None:
        """Change a message to plain text. Raises `Missing`."""
        await words_or_less(Rendered(text), lambda words: self._change(post, words, markup, TRIES))
        self._asks = markup is not None

    async def show(self, media: Media, caption: str) -> str:
        """Send a picture, a voice message, a recording, a video or a file."""
        kind, name = _form(media)
        try:
            return await self._upload(kind, media.data, name, caption)
        except BadRequest:
            # A picture of a shape that Telegram does not show, or a person who does not want voice messages.
            if kind == "document":
                raise
            return await self._upload("document", media.data, name, caption)

    async def offer(self, markup: InlineKeyboardMarkup | None) -> None:
        """Put `markup` under the newest post, unless it is there or a question has its answers there."""
        if self._latest is None or self._latest[1] == markup or self._asks:
            return
        post = self._latest[0]
        number = int(post.removeprefix(_MEDIA))
        try:
            await self._call(
                lambda: self._bot.edit_message_reply_markup(self._chat, number, reply_markup=markup), TRIES
            )
        except BadRequest:
            return  # deleted meanwhile, or unchanged: nothing to put it under
        self._latest = (post, markup)

    async def act(self, action: str) -> None:
        """Show for five seconds what the bot is doing."""
        await self._call(
            lambda: self._bot.send_chat_action(int(self._chat), action, message_thread_id=self._thread)
        )

    # --- calls -----------------------------------------------------------------------------------------------

    async def _send(self, words: Rendered, markup: InlineKeyboardMarkup | None) -> str:
        await self.offer(None)  # the post above is complete, and nothing of it can be stopped any more
        sent = await self._call(
            lambda: self._bot.send_message(
                text=words.text,
                entities=words.entities,
                reply_markup=markup,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
                **self._where(),
            )
        )
        return self._made(str(sent.message_id), markup)

    async def _change(
        self, post: str, words: Rendered, markup: InlineKeyboardMarkup | None, tries: int
    ) -> None:
        if self._latest is not None and self._latest[0] != post:
            await self.offer(None)
        try:
            await self._call(
                lambda: self._bot.edit_message_text(
                    words.text,
                    self._chat,
                    int(post),
                    entities=words.entities,
                    reply_markup=markup,
                    link_preview_options=LinkPreviewOptions(is_disabled=True),
                ),
                tries,
            )
        except BadRequest as error:
            said = error.message.lower()
            if any(words in said for words in _LOST):
                raise Missing(post) from None
            if UNCHANGED not in said:
                raise
        self._made(post, markup)

    async def _preview(self, words: Rendered) -> None:
        await self._call(
            lambda: self._bot.send_message_draft(
                int(self._chat),
                self._draft,
                words.text,
                entities=words.entities,
                message_thread_id=self._thread,
            )
        )

    async def _upload(self, kind: str, data: bytes, name: str, caption: str) -> str:
        await self.offer(None)
        send: dict[str, Callable[..., Awaitable[Message]]] = {
            "photo": self._bot.send_photo,
            "voice": self._bot.send_voice,
            "audio": self._bot.send_audio,
            "video": self._bot.send_video,
            "document": self._bot.send_document,
        }
        sent = await self._call(
            lambda: send[kind](**{kind: data}, filename=name, caption=caption or None, **self._where())
        )
        return self._made(f"{_MEDIA}{sent.message_id}", None)

    async def _emptied(self, post: str) -> None:
        try:
            await self._change(post, Rendered("…"), None, TRIES)
        except (BadRequest, Missing):
            return  # it cannot be reached any more

    async def _call(self, request: Callable[[], Awaitable[T]], tries: int = 1) -> T:
        """A call into the chat, into the new one where it has moved."""
        try:
            return await self._outbox.call(self._chat, request, tries=tries)
        except ChatMigrated as error:
            old, self._chat = self._chat, str(error.new_chat_id)
            if self._moved is not None:
                await self._moved(old, self._chat)
        try:
            return await self._outbox.call(self._chat, request, tries=tries)
        except ChatMigrated:
            raise Gone("a chat that has moved and moved again") from None

    def _where(self) -> dict[str, Any]:
        """Where a new message goes. Only the answer's first one replies to the question."""
        answers = self._answers if self._latest is None else None
        quoted = ReplyParameters(answers, allow_sending_without_reply=True) if answers else None
        return {"chat_id": self._chat, "message_thread_id": self._thread, "reply_parameters": quoted}

    def _made(self, post: str, markup: InlineKeyboardMarkup | None) -> str:
        self._latest, self._asks = (post, markup), False
        return post

    def _markup(self, stage: Stage) -> InlineKeyboardMarkup | None:
        return {"growing": self.growing, "full": None, "last": self.last}[stage]

    def _render(self, text: str) -> Rendered:
        if self._rendered[0] != text:
            self._rendered = (text, render(text))
        return self._rendered[1]


async def words_or_less(words: Rendered, call: Callable[[Rendered], Awaitable[T]]) -> T:
    """A call with text; once more without entities, or with a sign instead of nothing, where Telegram refuses it."""
    try:
        return await call(words)
    except BadRequest as error:
        said = error.message.lower()
        if "entit" in said and words.entities:
            return await words_or_less(words.plain, call)
        if any(empty in said for empty in _EMPTY) and words.text != "…":
            return await words_or_less(Rendered("…"), call)
        raise


def draft_id(message: Incoming) -> int:
    """Of the draft that answers a message: never 0, of 31 bits, and the same in every attempt."""
    digest = hashlib.blake2b(message.key.encode(), digest_size=4).digest()
    return int.from_bytes(digest) & 0x7FFF_FFFF or 1


def refused(error: BadRequest | InvalidToken) -> Gone | Unavailable:
    """What it means for the answer that Telegram does not accept a request: the same would be refused again."""
    if isinstance(error, InvalidToken):
        return Unavailable("Telegram does not accept the bot's token")
    return Gone(f"Telegram refuses: {error.message}")


def _form(media: Media) -> tuple[str, str]:
    """The kind of message for it, and a file name."""
    mime = media.mime.partition(";")[0].strip().lower()
    ending = mime.rpartition("/")[2].rpartition("-")[2] or "bin"
    if media.kind == "image":
        shown = mime in _PHOTOS and len(media.data) <= PHOTO_LIMIT
        return "photo" if shown else "document", f"image.{ending}"
    if media.kind == "audio":
        if mime in _VOICE:
            return "voice", "voice.ogg"
        return ("audio", f"audio.{_MUSIC[mime]}") if mime in _MUSIC else ("document", f"audio.{ending}")
    if media.kind == "video":
        return "video" if mime == "video/mp4" else "document", f"video.{ending}"
    return "document", f"file.{ending}"
