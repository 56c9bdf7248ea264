"""The messages of one answer in one chat: how each is made, changed, previewed and taken away."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from telegram.error import BadRequest, ChatMigrated, InvalidToken

from adapters._draft import Missing, NoPreview, Stage
from adapters.telegram import ids
from adapters.telegram.buttons import Keyboard, below
from adapters.telegram.client import Client
from adapters.telegram.outbox import TRIES, Outbox
from adapters.telegram.rendering import TEXT_LIMIT, Rendered, render
from adapters.telegram.uploads import alone, form, instead, together
from bot.api import Gone, Incoming, Media, Unavailable

Moved = Callable[[str, str], Awaitable[None]]
"""Told when a group became a supergroup: its old chat id and its new one."""

GENERAL_TOPIC = "1"
"""The topic that every forum has; a message for it must not name it."""

_MEDIA, _SKETCH = "media:", "sketch:"
NO_LINKS = {"is_disabled": True}
"""`link_preview_options`."""

UNCHANGED = "message is not modified"
_LOST = ("message to edit not found", "message_id_invalid", "message can't be edited", "there is no text")
_EMPTY = ("text is empty", "text must be non-empty")

T = TypeVar("T")


class TelegramPosts:
    """`adapters._draft.Posts` for one reply. `chat` is the id to write to where it is not the place's any more.

    Ids in the journal are `17`, `media:17` or, for an album, `media:17,18` for what is no text, and `sketch:17` for a
    picture that was shown before it was finished; made in another chat than the place's, they end with `@` and its
    id. Where a group has moved, its earlier messages cannot be reached, and other messages have their numbers.

    A sent message whose answer does not come may or may not stand in the chat: `Unavailable` is raised, and the
    next attempt may say it once more. Edits, removals and keyboards are repeated instead.
    """

    limit = TEXT_LIMIT

    def __init__(
        self,
        client: Client,
        message: Incoming,
        outbox: Outbox,
        *,
        chat: str = "",
        reply_to: int | None = None,
        moved: Moved | None = None,
    ) -> None:
        place = message.place
        self.previews = place.kind == "private" and outbox.drafts
        self.growing: Keyboard | None = None
        """The keyboard under a post that grows."""
        self.last: Keyboard | None = None
        """The keyboard under the post that ends the answer."""
        self._client = client
        self._outbox = outbox
        self._first = place.chat
        self._chat = chat or place.chat
        self._thread = int(place.thread) if place.thread not in ("", GENERAL_TOPIC) else None
        self._answers = reply_to
        self._asked_in = ids.chat(message.id) or place.chat
        self._moved = moved
        self._draft = draft_id(message)
        self._latest: tuple[str, Keyboard | None] | None = None  # the newest post and its keyboard
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
        if self._latest is not None and self._latest[0] == post:
            self._latest = None
        for number in _numbers(post):
            try:
                await self._touch(post, "deleteMessage", {"message_id": number})
            except Missing:
                return
            except BadRequest as error:
                if self.editable(post) and "not found" not in error.message.lower():
                    await self._emptied(post)

    def editable(self, post: str) -> bool:
        """Whether it is a message of text."""
        return not post.startswith((_MEDIA, _SKETCH))

    # --- everything else -------------------------------------------------------------------------------------

    async def say(self, text: str, markup: Keyboard | None = None) -> str:
        """Send plain text of at most `TEXT_LIMIT` units; a keyboard under it is part of what it says."""
        post = await words_or_less(Rendered(text), lambda words: self._send(words, markup))
        self._asks = markup is not None
        return post

    async def say_in(self, post: str, text: str, markup: Keyboard | None = None) -> None:
        """Change a message to plain text. Raises `Missing`."""
        await words_or_less(Rendered(text), lambda words: self._change(post, words, markup, TRIES))
        self._asks = markup is not None

    async def show(self, media: Media) -> str:
        """Send a picture, a voice message, a recording, a video or a file."""
        kind, _ = form(media)
        await self.offer(None)
        try:
            return await self._upload(kind, media)
        except BadRequest:
            # A picture of a shape that Telegram does not show, or a person who does not want voice messages.
            if kind == "document":
                raise
            return await self._upload("document", media)

    async def sketch(self, picture: Media) -> str:
        """Send a picture that is not finished. Raises `BadRequest`."""
        await self.offer(None)
        where = {**self._where(), "reply_markup": self.growing}
        number = await self._call(lambda: alone(self._client, "photo", picture, self._chat, where))
        return self._made(f"{_SKETCH}{number}", self.growing)

    async def repaint(self, post: str, picture: Media, *, growing: bool) -> None:
        """Put another picture into a sketch. Raises `Missing`, and `BadRequest` where it cannot be there."""
        markup = self.growing if growing else None
        shown = {} if markup is None else {"reply_markup": markup}
        number = _numbers(post)[0]
        request = partial(instead, self._client, number, picture, self._chat, shown)
        await self._changed(post, request, 1 if growing else TRIES)
        self._latest, self._asks = (post, markup), False

    async def album(self, images: Sequence[Media]) -> str:
        """Send two to ten images of one kind as one album. Raises `BadRequest` where one of them cannot be in it."""
        await self.offer(None)
        numbers = await self._call(lambda: together(self._client, images, self._chat, self._where()))
        return self._made(f"{_MEDIA}{','.join(map(str, numbers))}", None)

    async def offer(self, markup: Keyboard | None) -> None:
        """Put `markup` under the newest post, unless it is there; below the answers to a question, which stay."""
        if self._latest is None:
            return
        post, present = self._latest
        if self._asks:
            markup = below(present, markup)
        if markup == present:
            return
        numbers = _numbers(post)
        if len(numbers) > 1:
            return  # an album has no keyboard
        shown = {"message_id": numbers[0], "reply_markup": markup}
        try:
            await self._touch(post, "editMessageReplyMarkup", shown)
        except (BadRequest, Missing):
            return  # deleted meanwhile, or unchanged: nothing to put it under
        self._latest = (post, markup)

    async def act(self, action: str) -> None:
        """Show for five seconds what the bot is doing."""
        await self._ask("sendChatAction", {"action": action, "message_thread_id": self._thread})

    # --- calls -----------------------------------------------------------------------------------------------

    async def _send(self, words: Rendered, markup: Keyboard | None) -> str:
        await self.offer(None)  # the post above is complete, and nothing of it can be stopped any more
        shown = {**words.json(), "reply_markup": markup, "link_preview_options": NO_LINKS}
        sent = await self._ask("sendMessage", shown | self._where())
        return self._made(str(sent["message_id"]), markup)

    async def _change(self, post: str, words: Rendered, markup: Keyboard | None, tries: int) -> None:
        if self._latest is not None and self._latest[0] != post:
            await self.offer(None)
        shown = {**words.json(), "reply_markup": markup, "link_preview_options": NO_LINKS}
        given = {"chat_id": self._chat, "message_id": _numbers(post)[0], **shown}
        await self._changed(post, partial(self._client.call, "editMessageText", given), tries)
        self._latest, self._asks = (post, markup), False

    async def _changed(self, post: str, request: Callable[[], Awaitable[object]], tries: int) -> None:
        """An edit. Raises `Missing` where the message is not there any more."""
        try:
            await self._reach(post, request, tries)
        except BadRequest as error:
            said = error.message.lower()
            if any(words in said for words in _LOST):
                raise Missing(post) from None
            if UNCHANGED not in said:
                raise

    async def _preview(self, words: Rendered) -> None:
        shown = {"draft_id": self._draft, **words.json(), "message_thread_id": self._thread}
        await self._ask("sendMessageDraft", shown)

    async def _upload(self, kind: str, media: Media) -> str:
        number = await self._call(lambda: alone(self._client, kind, media, self._chat, self._where()))
        return self._made(f"{_MEDIA}{number}", None)

    async def _emptied(self, post: str) -> None:
        try:
            await self._change(post, Rendered("…"), None, TRIES)
        except (BadRequest, Missing):
            return  # it cannot be reached any more

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self._call(lambda: self._client.call(method, {"chat_id": self._chat, **params}))

    async def _call(self, request: Callable[[], Awaitable[T]]) -> T:
        """A call into the chat, into the new one where it has moved."""
        try:
            return await self._outbox.call(self._chat, request)
        except ChatMigrated as error:
            await self._follow(error)
        try:
            return await self._outbox.call(self._chat, request)
        except ChatMigrated:
            raise Gone("a chat that has moved and moved again") from None

    async def _touch(self, post: str, method: str, params: Mapping[str, Any]) -> None:
        """A call that changes what stands in the chat. Raises `Missing` where the chat has moved since."""
        await self._reach(post, partial(self._client.call, method, {"chat_id": self._chat, **params}), TRIES)

    async def _reach(self, post: str, request: Callable[[], Awaitable[object]], tries: int) -> None:
        if (post.partition("@")[2] or self._first) != self._chat:
            raise Missing(post)
        try:
            await self._outbox.call(self._chat, request, tries=tries)
        except ChatMigrated as error:
            await self._follow(error)
            raise Missing(post) from None

    async def _follow(self, error: ChatMigrated) -> None:
        old, self._chat = self._chat, str(error.new_chat_id)
        if self._moved is not None:
            await self._moved(old, self._chat)

    def _where(self) -> dict[str, Any]:
        """Where in the chat a new message goes. Only the answer's first one replies to the question."""
        answers = self._answers if self._latest is None and self._asked_in == self._chat else None
        quoted = {"message_id": answers, "allow_sending_without_reply": True} if answers else None
        return {"message_thread_id": self._thread, "reply_parameters": quoted}

    def _made(self, post: str, markup: Keyboard | None) -> str:
        post = post if self._chat == self._first else f"{post}@{self._chat}"
        self._latest, self._asks = (post, markup), False
        return post

    def _markup(self, stage: Stage) -> Keyboard | None:
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


def sketched(post: str) -> bool:
    """Whether a post in the journal is a picture that was shown before it was finished."""
    return post.startswith(_SKETCH)


def _numbers(post: str) -> list[int]:
    """The messages that a post in the journal is."""
    return [int(number) for number in post.rpartition(":")[2].partition("@")[0].split(",")]
