"""Speech: what is said aloud of an answer, and how it becomes a voice message of the person's platform."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType

import structlog
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.api import Gone, Incoming, Media, Notice, Option, Status, Text, Unavailable, VoiceForm
from bot.delivery import Delivery, Handler
from bot.dialogue import Answer
from bot.endpoints.audio import Voiced, sentences
from bot.errors import LeaseLost, ParleyError, RequestRefused
from bot.media.kinds import sniff
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.routing import Router
from bot.tape import Tape
from bot.voices import Voices

ANSWER_LIMIT = 4000
"""Characters of an answer that are spoken; the rest is for the eye."""

PART = 59.9
"""Seconds of one voice message in AMR: a minute, less what the codec may add to it.

Source: developers.weixin.qq.com, "Adding temporary materials".
"""

_ASKED: Mapping[VoiceForm, Voiced] = MappingProxyType({"ogg-opus": "opus", "mp3": "mp3", "amr": "mp3"})
_READY: Mapping[VoiceForm, tuple[str, str]] = MappingProxyType(
    {"ogg-opus": ("opus", "audio/ogg"), "mp3": ("mp3", "audio/mpeg")}
)
_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s<>()\[\]（）]+|\S+@\S+\.\w+")
_BLANKS = re.compile(r"[^\S\n]+")
_SOUND = re.compile(r"\w")
_SILENT = ("stopped",)  # closings of answers that nobody wants to hear
_HOUR = 3600.0
_TOLD = 1000  # conversations of which is known when they were told last

_log = structlog.get_logger(__name__)


class Speaking:
    """Speaks answers, and what people want to hear. `clock` counts seconds from anywhere."""

    def __init__(
        self,
        router: Router,
        meter: Meter,
        workshop: Workshop,
        voices: Voices,
        tape: Tape,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._voices = voices
        self._tape = tape
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()

    async def say(self, delivery: Delivery, words: str, *, purpose: str = "") -> bool:
        """Send `words` as one voice message, or several where the platform's are short. False: the person stopped it.

        What an earlier attempt had spoken is sent once more: whether it came to the person, nobody knows.
        Raises the errors of `Router.speak`, of `Workshop` and of `Meter.work`.
        """
        if delivery.hold.attempt > 1:
            kept = await self._tape.parts(delivery.conversation, _of(delivery, purpose))
            for media in kept:
                await delivery.send(media)
            if kept:
                return True
        await delivery.send(Status("speaking", (Option(delivery.say("offer.stop"), "/stop"),)))
        written = await self._made(delivery, words, purpose)
        if written is None:
            return False
        for media in written:
            await delivery.send(media)
        return True

    async def _made(self, delivery: Delivery, words: str, purpose: str) -> list[Media] | None:
        """The recordings, which are kept and paid; None where the person stopped it."""
        message, attempt = delivery.message, delivery.hold.attempt
        async with self._meter.work(
            "speak", len(words), message, attempt=attempt, purpose=purpose, warn=delivery.later
        ) as bill:
            spoken, speaker = [], delivery.profile.speaker
            for piece in sentences(words):
                try:
                    sound = await delivery.unless_stopped(self._spoken(delivery, piece, speaker))
                except RequestRefused:
                    if not speaker:
                        raise
                    # What a person chose is the likeliest fault: the server may not know this voice.
                    unknown, speaker = speaker, ""
                    sound = await delivery.unless_stopped(self._spoken(delivery, piece, speaker))
                    await delivery.later(Notice("voice.unknown", {"name": unknown}))
                bill.done += len(piece)  # also where it was stopped: whoever speaks wants to be paid
                if sound is None:
                    return None
                spoken.append(sound)
            written = await self._written(spoken, delivery.voice_form)
            await self._tape.put(delivery.conversation, _of(delivery, purpose), written)
        return written

    async def after(self, delivery: Delivery, question: Incoming, answer: Answer) -> None:
        """Speak a finished answer where the conversation wants that; `dialogue.After`.

        A fault of the speech is no fault of the answer: it is told at most once an hour.
        """
        muted, delivery.muted = delivery.muted, False
        words, whole = aloud(answer.text)
        heard = sentences(words, ANSWER_LIMIT)[:1] if self._wanted(delivery, question, answer) else []
        spoken = bool(heard) and await self._tried(delivery, heard[0])
        cut = heard != [words]
        if muted and answer.text and not (spoken and whole and not cut):
            await delivery.send(Text(answer.text))
        if spoken and cut:
            await delivery.notice("voice.cut")

    async def _tried(self, delivery: Delivery, words: str) -> bool:
        try:
            return await self.say(delivery, words, purpose="voice")
        except (LeaseLost, Gone, Unavailable):
            raise
        except ParleyError as error:
            _log.warning("answer.unspoken", kind=type(error).__name__, detail=str(error))
            await self._tell(delivery)
            return False

    def _wanted(self, delivery: Delivery, question: Incoming, answer: Answer) -> bool:
        if delivery.stopping.is_set() or answer.closing in _SILENT or not self._router.can("speak"):
            return False
        mode = self._voices.way(delivery.profile)
        return mode in ("voice", "both") or (mode == "auto" and spoken_question(question))

    async def _tell(self, delivery: Delivery) -> None:
        now = self._clock()
        if now - self._told.get(delivery.home, float("-inf")) < _HOUR:
            return
        self._told[delivery.home] = now
        self._told.move_to_end(delivery.home)
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)
        await delivery.notice("voice.unspoken")

    async def _spoken(self, delivery: Delivery, words: str, speaker: str) -> bytes:
        form, speed = _ASKED[delivery.voice_form], delivery.profile.speed or 1.0
        made: AsyncGenerator[bytes] = self._router.speak(words, voice=speaker, form=form, speed=speed)
        async with aclosing(made) as pieces:
            return b"".join([piece async for piece in pieces])

    async def _written(self, spoken: Sequence[bytes], form: VoiceForm) -> list[Media]:
        """The recordings in the form of the platform, as it is where the server has written it so."""
        if form == "amr":
            parts = [part for one in spoken for part in await self._workshop.split(one, form, seconds=PART)]
            return [Media("audio", part.mime, part.data) for part in parts]
        kind, mime = _READY[form]
        if len(spoken) == 1 and sniff(spoken[0]).form == kind:
            return [Media("audio", mime, spoken[0])]
        whole = await self._workshop.join(list(spoken), form)
        return [Media("audio", whole.mime, whole.data)]


class Muting:
    """Shows no text of an answer that will be spoken instead; a `delivery.Handler`.

    In a group the text is shown in any case: not everybody there can listen.
    """

    def __init__(self, voices: Voices, router: Router, following: Handler) -> None:
        self._voices = voices
        self._router = router
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Pass the message on."""
        alone = delivery.message.place.kind == "private"
        spoken = self._voices.way(delivery.profile) == "voice" and self._router.can("speak")
        delivery.muted = alone and spoken
        await self._following(delivery)


def _of(delivery: Delivery, purpose: str) -> str:
    """Which speech it is, in every attempt."""
    return f"{delivery.message.key} {purpose}"


def spoken_question(question: Incoming) -> bool:
    """Whether the person spoke instead of writing; words that are written beside a recording are about it."""
    recorded = any(attachment.kind == "audio" for attachment in question.attachments)
    return question.spoken or (recorded and not question.text.strip())


# --- words for the ear -------------------------------------------------------------------------------------

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_SHOWN = frozenset({"fence", "code_block", "table_open", "image", "link_open"})


def aloud(markdown: str) -> tuple[str, bool]:
    """What is said aloud of Markdown, and whether that is all of it: no code, no pictures, no addresses, no marks."""
    tokens = _MARKDOWN.parse(markdown)
    blocks = [_words(token.children or ()) for token in tokens if token.type == "inline"]
    said = _ADDRESS.sub("", "\n\n".join(blocks))
    shown = {t.type for token in tokens for t in (token, *(token.children or ()))} & _SHOWN
    return _tidy(said), not shown and said == "\n\n".join(blocks)


def _words(tokens: Sequence[Token]) -> str:
    kept = (t for t in tokens if t.type in ("text", "code_inline", "softbreak", "hardbreak"))
    return "".join(token.content or "\n" for token in kept)


def _tidy(text: str) -> str:
    paragraphs = (_BLANKS.sub(" ", paragraph).strip() for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if _SOUND.search(paragraph))
