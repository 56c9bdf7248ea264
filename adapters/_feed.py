"""A reply kept as a log in the store, for front ends that may be in another process than the worker.

Any worker may answer, so what is said is appended to one log a chat, and the front end follows that log. An
entry is a compact JSON object. `message` is `Incoming.id`; `attempt` is on every entry of an answer, so that
the last words of a worker that has lost its message are told apart from those of its successor.

| kind | fields | meaning |
|---|---|---|
| `asked` | `question`, `at`, `command`, `attached` | a message was accepted |
| `begin` | as `asked` | an answer begins, or begins again: what was shown of it is void |
| `text` | `delta` | the next piece of the answer, Markdown |
| `notice` | `key`, `text` | the bot's own voice, plain |
| `choices` | `text`, `options` (each `label`, `value`) | a question with buttons |
| `media` | `media`, `mime`, `id`, `size`, `caption`, `name` | an image, recording, video or file |
| `preview` | `mime`, `data` (base64) | a picture that is not finished; the log has one at most |
| `status` | `doing` | what the bot is doing meanwhile |
| `end` | as `asked`, and `parts`, `offers`, `usage` | the whole answer |

`attached` is there where something came with the message: a list of `id`, `media`, `mime`, `name`, `size`. The bytes
behind an `id` are on the `Shelf`; a `media` that was too large for it has none.

A part is a `text`, `notice`, `choices` or `media` as above with `type` in place of `kind`. Once the `end` is
in the log, everything else of the answer but `asked` is taken out: two entries an exchange stay.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from adapters._shelf import LIMIT as LARGEST
from adapters._shelf import Shelf, id_of
from bot.api import (
    Attachment,
    Choices,
    End,
    Entry,
    Incoming,
    Journal,
    Media,
    Notice,
    Option,
    Preview,
    ReplyPart,
    Status,
    Store,
    Text,
    Unavailable,
    Usage,
)

Json = dict[str, Any]

LIMIT = 4000
"""Entries that a log keeps: of a very long answer under way some 2,000, and as many of what was before."""

TTL = 30 * 86400.0
"""Seconds after which a silent chat is forgotten."""

FORGOTTEN = "forget.done"
"""The notice after which the bot keeps nothing of a person: what was said before goes from the log, too."""

PREVIEW_LIMIT = 512 * 1024
"""Bytes of a `Preview`; a larger one is not shown."""

_PATIENCE = 400
"""After so many pieces the pause between them grows by itself once more, which bounds their number."""

_log = logging.getLogger(__name__)


def log_of(chat: str) -> str:
    """The name of a chat's log."""
    return f"feed:{chat}"


def parse(entry: Entry) -> Json | None:
    """An entry's value; None where it is not one of ours (a newer version may write into the same log)."""
    try:
        value = json.loads(entry.value)
    except ValueError:
        return None
    known = (
        isinstance(value, dict)
        and isinstance(value.get("kind"), str)
        and isinstance(value.get("message"), str)
    )
    return value if known else None


async def asked(store: Store, log: str, incoming: Incoming) -> str:
    """Tell every front end of the chat that `incoming` was accepted. The entry's id. Raises `Unavailable`."""
    return await store.append(log, _dump(_head("asked", incoming, incoming.sent_at)), limit=LIMIT, ttl=TTL)


async def entries(store: Store, log: str, *, after: str = "0", page: int = 1000) -> list[Entry]:
    """Everything that the log holds behind `after`. Raises `Unavailable`."""
    found: list[Entry] = []
    while True:
        more = await store.read(log, after=after, count=page)
        found += more
        if len(more) < page:
            return found
        after = more[-1].id


# --- what is shown ---------------------------------------------------------------------------------------


class Parts:
    """An answer that grows: text joins the last part if that is text, anything else is a part of its own."""

    def __init__(self, parts: Iterable[Json] = ()) -> None:
        self._parts = list(parts)
        self._tail: list[str] = []

    def text(self, delta: str) -> None:
        """Add to the last text. Empty text adds nothing."""
        if delta:
            self._tail.append(delta)

    def add(self, part: Json) -> None:
        """Add a part that is not text."""
        self._close()
        self._parts.append(part)

    def all(self) -> list[Json]:
        """The parts so far."""
        self._close()
        return list(self._parts)

    def _close(self) -> None:
        if not self._tail:
            return
        delta = "".join(self._tail)
        self._tail.clear()
        if self._parts and self._parts[-1]["type"] == "text":
            self._parts[-1] = {"type": "text", "text": self._parts[-1]["text"] + delta}
        else:
            self._parts.append({"type": "text", "text": delta})


@dataclass(frozen=True, slots=True)
class Item:
    """One question and what is to be shown as its answer. `attempt` is 0 where nobody has begun to answer.

    `joined`: it was part of one question with an earlier message, and its answer is the answer to that.
    """

    message: str
    question: str
    at: float
    command: bool
    parts: tuple[Json, ...] = ()
    status: str | None = None
    ended: bool = False
    offers: tuple[Json, ...] = ()
    usage: Json | None = None
    attempt: int = 0
    joined: bool = False
    attached: tuple[Json, ...] = ()
    preview: Json | None = None


@dataclass(slots=True)
class _Draft:
    """An item while the log is being read."""

    question: str
    at: float
    command: bool
    parts: Parts = field(default_factory=Parts)
    status: str | None = None
    ended: bool = False
    offers: tuple[Json, ...] = ()
    usage: Json | None = None
    attempt: int = 0
    joined: bool = False
    attached: tuple[Json, ...] = ()
    preview: Json | None = None

    def take(self, value: Json) -> None:
        kind, attempt = value["kind"], int(value.get("attempt", 1))
        if kind == "asked" or attempt < self.attempt:
            return
        if kind == "begin":
            self.attempt, self.ended = attempt, False
            self.parts, self.status, self.offers, self.usage = Parts(), None, (), None
            self.joined, self.preview = False, None
        elif kind == "end":
            self.attempt, self.ended, self.status, self.preview = attempt, True, None, None
            self.parts, self.usage = Parts(value.get("parts", ())), value.get("usage")
            self.offers = tuple(value.get("offers", ()))
        elif not self.ended:
            self._grow(kind, value)

    def _grow(self, kind: str, value: Json) -> None:
        if kind == "preview":
            self.preview = {"mime": value["mime"], "data": value["data"]}
            return
        if kind == "status":
            self.status = value["doing"]
            return
        self.status = self.preview = None
        if kind == "text":
            self.parts.text(value["delta"])
        elif kind in ("notice", "choices", "media"):
            self.parts.add(_part(value))


class Fold:
    """What a log shows, entry by entry: questions in order of appearance, superseded answers dropped."""

    def __init__(self) -> None:
        self._drafts: dict[str, _Draft] = {}

    def take(self, value: Json) -> None:
        """Add one entry's value. What belongs to a message whose beginning is unknown is passed over."""
        draft = self._drafts.get(value["message"])
        if draft is None and value["kind"] in ("asked", "begin", "end"):
            draft = _Draft(
                str(value["question"]),
                float(value["at"]),
                bool(value["command"]),
                attached=tuple(value.get("attached", ())),
            )
            self._drafts[value["message"]] = draft
        if draft is not None:
            draft.take(value)
            if value["kind"] == "end" and not value["parts"]:
                draft.joined = self._waited(draft)

    def _waited(self, draft: _Draft) -> bool:
        """Whether a message before it has no answer yet: only what is part of one question ends out of turn."""
        return any(not before.ended for before in takewhile(lambda d: d is not draft, self._drafts.values()))

    def items(self) -> list[Item]:
        """The items so far, oldest first; an unfinished answer with its text and status so far."""
        return [
            Item(
                message=message,
                question=draft.question,
                at=draft.at,
                command=draft.command,
                parts=tuple(draft.parts.all()),
                status=draft.status,
                ended=draft.ended,
                offers=draft.offers,
                usage=draft.usage,
                attempt=draft.attempt,
                joined=draft.joined,
                attached=draft.attached,
                preview=draft.preview,
            )
            for message, draft in self._drafts.items()
        ]


def fold(log: Iterable[Entry]) -> list[Item]:
    """What the entries of a log show, oldest question first."""
    view = Fold()
    for entry in log:
        value = parse(entry)
        if value is not None:
            view.take(value)
    return view.items()


# --- the reply -------------------------------------------------------------------------------------------


class FeedReply:
    """A `bot.api.Reply` that appends to a log.

    The first words are appended at once; what follows within `pause` seconds is appended together. A failure
    to append in the background is raised by the next `send`. `clock` stands in for a missing `sent_at`.
    `previews`: whether the front end shows pictures that are not finished.
    """

    def __init__(
        self,
        store: Store,
        log: str,
        incoming: Incoming,
        journal: Journal,
        *,
        clock: Callable[[], float] = time.time,
        pause: float = 0.04,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        previews: bool = False,
    ) -> None:
        self._store = store
        self.previews = previews
        self._shelf = Shelf(store)
        self._log = log
        self._incoming = incoming
        self._journal = journal
        self._pause = pause
        self._sleep = sleep
        self._at = incoming.sent_at or clock()
        self._parts = Parts()
        self._waiting: list[str] = []
        self._transient: list[str] = []
        self._begun = False
        self._status: str | None = None
        self._preview = ""  # the entry that shows a picture which is not finished
        self._timer: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # the timer and `send` append one after the other

    async def send(self, part: ReplyPart) -> None:
        """Append `part`, or have it appended within `pause` seconds. Raises `Unavailable`."""
        if isinstance(part, End):
            await self._finish(part)
            return
        async with self._turn:
            await self._begin()
            match part:
                case Text(delta):
                    await self._text(delta)
                case Status(doing):
                    await self._doing(doing)
                case Preview():
                    await self._show_preview(part)
                case _:
                    await self._flush()
                    shown = await self._shown(part)
                    self._parts.add(_part(shown))
                    self._status = None
                    await self._append(shown)

    async def abandon(self) -> None:
        """Append nothing more."""
        await self._stop_timer()

    async def _begin(self) -> None:
        self._check_timer()
        if self._begun:
            return
        void = await self._earlier() if self._journal.attempt > 1 else []
        begin = await self._append(_head("begin", self._incoming, self._at))
        await self._journal.posted(begin)
        self._begun = True
        await self._forget(void)

    async def _earlier(self) -> list[str]:
        """The entries of earlier attempts: the journal knows where they begin."""
        posts = list(self._journal.posts)
        found = await entries(self._store, self._log, after=posts[0] if posts else "0")
        values = [(entry.id, parse(entry)) for entry in found]
        ours = [i for i, v in values if v and v["message"] == self._incoming.id and v["kind"] != "asked"]
        return list(dict.fromkeys(posts + ours))

    async def _text(self, delta: str) -> None:
        if not delta:
            return
        self._parts.text(delta)
        self._waiting.append(delta)
        self._status = None
        if self._timer is None:
            await self._flush()
            self._timer = asyncio.create_task(self._flush_later())
            # Where nobody sends again, nobody asks the task for its fault either.
            self._timer.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _doing(self, doing: str) -> None:
        if doing != self._status:
            await self._flush()
            self._status = doing
            await self._append({"kind": "status", "doing": doing})

    async def _show_preview(self, part: Preview) -> None:
        """Put a picture in the place of the one before it, which leaves the log."""
        if not self.previews or len(part.data) > PREVIEW_LIMIT:
            return
        await self._flush()
        data = b64encode(part.data).decode("ascii")
        before = self._preview
        self._preview = await self._append({"kind": "preview", "mime": part.mime, "data": data})
        if before:
            self._transient.remove(before)
            await self._forget([before])

    async def _flush(self) -> None:
        delta = "".join(self._waiting)
        if delta:
            await self._append({"kind": "text", "delta": delta})
            self._waiting.clear()

    async def _flush_later(self) -> None:
        while True:
            await self._sleep(self._pause * (1 + len(self._transient) // _PATIENCE))
            async with self._turn:
                if not self._waiting:
                    self._timer = None
                    return
                await self._flush()

    async def _finish(self, end: End) -> None:
        try:
            async with self._turn:
                await self._begin()
                whole = _head("end", self._incoming, self._at) | {
                    "parts": self._parts.all(),
                    "offers": _options(end.offers),
                    "usage": _usage(end.usage),
                }
                self._waiting.clear()  # the end holds it already
                void = list(self._transient)
                if any(part.get("key") == FORGOTTEN for part in whole["parts"]):
                    await self._clear()
                await self._append(whole)
                await self._forget(void)
        finally:
            await self._stop_timer()

    def _check_timer(self) -> None:
        if self._timer is not None and self._timer.done():
            timer, self._timer = self._timer, None
            timer.result()

    async def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            await asyncio.wait([timer])

    async def _append(self, value: Json) -> str:
        whole = value | {"message": self._incoming.id, "attempt": self._journal.attempt}
        entry = await self._store.append(self._log, _dump(whole), limit=LIMIT, ttl=TTL)
        self._transient.append(entry)
        return entry

    async def _clear(self) -> None:
        """Keep nothing of what was answered before. Raises `Unavailable`; then it is done by the next attempt."""
        values = [(entry.id, parse(entry)) for entry in await entries(self._store, self._log)]
        over = {v["message"] for _, v in values if v and v["kind"] == "end"} - {self._incoming.id}
        ids = [id for id, v in values if v is None or v["message"] in over]
        if ids:
            await self._store.remove(self._log, ids)
        staying = [v for _, v in values if v and v["message"] not in over]
        things = [each for v in staying for each in (*v.get("attached", ()), v)] + self._parts.all()
        await self._shelf.clear(self._incoming.place.chat, but={each.get("id", "") for each in things})

    async def _shown(self, part: Media | Choices | Notice) -> Json:
        """An entry, still without its message; the bytes of media are on the shelf then."""
        match part:
            case Notice():
                return {"kind": "notice", "key": part.key, "text": part.text}
            case Choices():
                return {"kind": "choices", "text": part.text, "options": _options(part.options)}
            case Media():
                about = {"kind": "media", "media": part.kind, "mime": part.mime, "size": len(part.data)}
                return about | {"id": await self._kept(part), "caption": part.caption, "name": part.name}

    async def _kept(self, part: Media) -> str:
        if len(part.data) > LARGEST:
            _log.warning("%s of %d bytes is too large to be kept", part.kind, len(part.data))
            return ""
        chat = self._incoming.place.chat
        return (await self._shelf.keep(chat, part.data, mime=part.mime, name=part.name, kind=part.kind)).id

    async def _forget(self, ids: Sequence[str]) -> None:
        """Take out what no longer counts. To fail here costs room and nothing else."""
        try:
            if ids:
                await self._store.remove(self._log, ids)
        except Unavailable as error:
            _log.info("%d void entries stay in a feed: %s", len(ids), error)


def _head(kind: str, incoming: Incoming, at: float) -> Json:
    head = {
        "kind": kind,
        "message": incoming.id,
        "question": incoming.text,
        "at": at,
        "command": incoming.addressed == "command",
    }
    return (
        head | {"attached": attached}
        if (attached := [_attached(each) for each in incoming.attachments])
        else head
    )


def _attached(attachment: Attachment) -> Json:
    about = {"id": id_of(attachment), "media": attachment.kind, "mime": attachment.mime}
    return about | {"name": attachment.name, "size": attachment.size}


def _part(value: Json) -> Json:
    rest = {name: v for name, v in value.items() if name not in ("kind", "message", "attempt")}
    return {"type": value["kind"], **rest}


def _options(options: Iterable[Option]) -> list[Json]:
    return [{"label": option.label, "value": option.value} for option in options]


def _usage(usage: Usage | None) -> Json | None:
    if usage is None:
        return None
    return {"prompt": usage.prompt, "completion": usage.completion, "estimated": usage.estimated}


def _dump(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be stored
