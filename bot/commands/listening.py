"""Speech written down: /transcribe, /translate, and recordings of which only the words are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from bot.api import Attachment, Media, Notice, Option, Status
from bot.commands import Call, Command
from bot.commands.media import AT_ONCE, attached, fetched
from bot.delivery import Delivery, Handler
from bot.endpoints.audio import Script, Transcript
from bot.errors import Incapable, Indigestible, NoTranscription, ParleyError, Silent
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.routing import Router
from bot.speaking import spoken_question
from bot.unpacking import PIECE_SECONDS
from bot.voices import Voices

SHOWN = 8000
"""Characters of a transcript that is shown as a message; a longer one is a file."""

MOST = 8
"""Recordings of one message."""

_SCRIPTS: Mapping[Script, tuple[str, str]] = MappingProxyType(
    {"text": ("text/plain", "txt"), "srt": ("application/x-subrip", "srt"), "vtt": ("text/vtt", "vtt")}
)
_WRITTEN = "transcript\n"  # what the journal's answer begins with where it is a transcript, and no dialogue's

What = Literal["transcribe", "translate"]


class Listening:
    """Writes down what recordings say."""

    def __init__(self, router: Router, meter: Meter, *, workshop: Workshop, voices: Voices) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._voices = voices
        self._room = asyncio.Semaphore(AT_ONCE)

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("transcribe", self.transcribe, ("stt", "转写", "轉寫", "听写", "聽寫")),
            Command("translate", self.translate, ("译成英文", "譯成英文")),
        ]

    async def transcribe(self, call: Call) -> None:
        """What is said in the attached recording, or in the one that is replied to; `srt` and `vtt` as a file."""
        word = call.argument.casefold()
        if word not in ("", "text", "srt", "vtt"):
            await call.delivery.notice("transcribe.how")
            return
        forms: dict[str, Script] = {"srt": "srt", "vtt": "vtt"}
        await self._listen(call.delivery, "transcribe", forms.get(word, "text"))

    async def translate(self, call: Call) -> None:
        """What is said in it, in English."""
        await self._listen(call.delivery, "translate", "text")

    async def _listen(self, delivery: Delivery, what: What, form: Script) -> None:
        if not self._router.can(what):
            raise NoTranscription("not set up")
        found = attached(delivery, "audio", "video")
        if not found:
            await delivery.notice(f"{what}.nothing")
            return
        if (kept := delivery.hold.kept) is None:
            kept = await self._unless_stopped(delivery, partial(self._heard, delivery, found[-1], what, form))
            if kept is None:
                return
            await delivery.hold.keep(kept)
        await self._show(delivery, what, form, kept)

    def transcribes(self, delivery: Delivery) -> bool:
        """Whether the message is recordings without words, of which only the transcript is wanted."""
        message, kept = delivery.message, delivery.hold.kept
        if kept is not None:
            return kept.startswith(_WRITTEN)  # as it was decided then, whatever was chosen since
        spoken = spoken_question(message) and all(a.kind == "audio" for a in message.attachments)
        wanted = self._voices.way(delivery.profile) == "transcript"
        return wanted and spoken and not message.text.strip() and not message.edits

    async def write_down(self, delivery: Delivery) -> None:
        """Answer the message with what is said in its recordings, and with nothing else.

        Raises the first fault where nothing can be heard in any of them; beside others, a fault is said in its place.
        """
        if (kept := delivery.hold.kept) is None:
            written = await self._unless_stopped(delivery, partial(self._all_heard, delivery))
            if written is None:
                return
            kept = _WRITTEN + written
            await delivery.hold.keep(kept)
        await self._show(delivery, "transcribe", "text", kept.removeprefix(_WRITTEN))

    async def _unless_stopped(
        self, delivery: Delivery, work: Callable[[], Coroutine[Any, Any, str]]
    ) -> str | None:
        """What was heard; None where the person stopped it, and was told so."""
        await delivery.send(Status("listening", (Option(delivery.say("offer.stop"), "/stop"),)))
        async with self._room:
            heard = await delivery.unless_stopped(work())
        if heard is None and not delivery.withdrawn:
            await delivery.notice("stopped")
        return heard

    async def _all_heard(self, delivery: Delivery) -> str:
        texts: list[str] = []
        faults: list[ParleyError] = []
        every = delivery.message.attachments
        recordings = every[:MOST]
        for number, recording in enumerate(recordings):
            try:
                texts.append(await self._heard(delivery, recording, "transcribe", "text", number))
            except (Indigestible, Incapable) as fault:
                faults.append(fault)
                texts.append(delivery.say(fault.user_key, **fault.values))
        if len(faults) == len(recordings):
            raise faults[0]
        if len(every) > MOST:
            texts.append(delivery.say("hear.too_many", limit=MOST, count=len(every) - MOST))
        return "\n\n".join(texts)

    async def _heard(
        self, delivery: Delivery, recording: Attachment, what: What, form: Script, number: int = 0
    ) -> str:
        """What is said in it: the words in pieces that every model takes, subtitles in one."""
        data = await fetched(delivery, recording)
        sound = await self._workshop.sound(data, name=recording.name, mime=recording.mime)
        if sound.silent:
            raise Silent("nothing to hear")
        ask = self._router.transcribe if what == "transcribe" else self._router.translate
        pieces = await self._workshop.pieces(sound, PIECE_SECONDS) if form == "text" else [sound]
        texts = []
        for part, piece in enumerate(pieces):
            work = self._meter.work(
                what,
                piece.duration,
                delivery.message,
                attempt=delivery.hold.attempt,
                purpose=f"{number}:{part}" if number or part else "",  # one message of the person's haste
                warn=delivery.send,
            )
            async with work as bill:
                try:
                    said: Transcript = await ask(piece.data, piece.mime, piece.name, form=form)
                except asyncio.CancelledError:
                    if delivery.stopping.is_set():  # whoever has been listening wants to be paid
                        bill.done = piece.duration
                    raise
                bill.done, bill.usage = piece.duration, said.usage or bill.usage
            texts.append(said.text.strip() if form == "text" else said.text)
        if not (text := " ".join(filter(None, texts))).strip():
            raise Silent("no words")
        return text

    async def _show(self, delivery: Delivery, what: What, form: Script, text: str) -> None:
        if form == "text" and len(text) <= SHOWN:
            await delivery.send(Notice(f"{what}.said", text=text))
            return
        mime, ending = _SCRIPTS[form]
        data = text.encode("utf-8", "replace")
        await delivery.send(
            Media("file", mime, data, delivery.say(f"{what}.caption"), f"transcript.{ending}")
        )


class Transcribing:
    """Writes recordings down, instead of having them answered, where that is wanted; a `delivery.Handler`."""

    def __init__(self, listening: Listening, following: Handler) -> None:
        self._listening = listening
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Write it down, or pass the message on."""
        if self._listening.transcribes(delivery):
            await self._listening.write_down(delivery)
        else:
            await self._following(delivery)
