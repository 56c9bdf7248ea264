"""Speech written down: /transcribe, /translate, and recordings of which only the words are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from bot.api import Attachment, Option, Status
from bot.commands import Call, Command
from bot.commands.media import AT_ONCE, attached, fetched, of_kinds
from bot.commands.transcripts import Written, dump, read, show, show_all
from bot.delivery import Delivery, Handler
from bot.dictation import Dictation
from bot.endpoints.audio import Script, Transcript
from bot.errors import Incapable, Indigestible, LeaseLost, NoTranscription, ParleyError, Silent, StoreAway
from bot.limits import Limited, span
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.recordings import Recordings
from bot.routing import Router
from bot.speakers import cleaned
from bot.speaking import spoken_question
from bot.unpacking import PIECE_SECONDS, NotReceived
from bot.voices import Voices

MOST = 8
"""Recordings of one message."""

_WRITTEN = "transcript\n"  # what the journal's answer begins with where it is a transcript, and no dialogue's

What = Literal["transcribe", "translate"]
T = TypeVar("T")


class NoLongerThere(NotReceived):
    """The platform does not give out any more what was sent a while ago."""

    user_key = "transcribe.gone"


class Listening:
    """Writes down what recordings say, those of `recordings` where a command comes with none."""

    def __init__(
        self,
        router: Router,
        meter: Meter,
        *,
        workshop: Workshop,
        voices: Voices,
        recordings: Recordings,
        dictation: Dictation,
    ) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._voices = voices
        self._recordings = recordings
        self._dictation = dictation
        self._room = asyncio.Semaphore(AT_ONCE)

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("transcribe", self.transcribe, ("stt", "转写", "轉寫", "听写", "聽寫")),
            Command("translate", self.translate, ("译成英文", "譯成英文")),
        ]

    async def transcribe(self, call: Call) -> None:
        """What is said in the recordings that are attached or replied to, else in the person's last one.

        `srt` and `vtt` give files.
        """
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
        found = list(dict.fromkeys(attached(delivery, "audio", "video")))
        last = not found
        if last:
            found = await self._last(delivery)
        if delivery.hold.kept is None:
            await self.note(delivery)
            if not found:
                await delivery.notice(f"{what}.nothing")
                return
        try:
            written = await self._written(delivery, found, what, form)
        except NotReceived as error:
            if not last:
                raise
            raise NoLongerThere(str(error)) from error
        if written is not None:
            await show_all(delivery, what, form, written)

    async def note(self, delivery: Delivery) -> None:
        """Know the recordings of the person's message as their last ones. Raises `StoreAway`."""
        message = delivery.message
        sent = [each for each in message.attachments if of_kinds(each, "audio", "video")][:MOST]
        # What the platform has written down was heard by it alone, and the one before is not the last any more.
        if (sent or message.spoken) and not message.edits:
            await self._recordings.note(delivery.conversation, message.person.id, sent)

    async def _last(self, delivery: Delivery) -> list[Attachment]:
        message = delivery.message
        if message.attachments or message.quoted is not None:
            return []  # it was meant, and is none
        return list(await self._recordings.last(delivery.conversation, message.person.id))

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
        recordings = delivery.message.attachments
        written = await self._written(delivery, recordings, "transcribe", "text", mark=_WRITTEN)
        if written is not None:
            await show(delivery, "transcribe", "\n\n".join(each.text for each in written))

    async def _written(
        self, delivery: Delivery, every: Sequence[Attachment], what: What, form: Script, *, mark: str = ""
    ) -> Sequence[Written] | None:
        """What is said in each, kept behind `mark`; None where the person stopped it, and was told so."""
        stored = delivery.hold.kept
        if stored is None and mark:
            await delivery.hold.keep(mark)  # another attempt is not to have it answered
        written = read((stored or "").removeprefix(mark))
        if written is None:
            hearing = partial(self._all_heard, delivery, every, what, form)
            written = await self._unless_stopped(delivery, hearing)
            if written is not None:
                await delivery.hold.keep(mark + dump(written))
        return written

    async def _unless_stopped(
        self, delivery: Delivery, work: Callable[[], Coroutine[Any, Any, T]]
    ) -> T | None:
        """What was heard; None where the person stopped it, and was told so."""
        await delivery.send(Status("listening", (Option(delivery.say("offer.stop"), "/stop"),)))
        async with self._room:
            heard = await delivery.unless_stopped(work())
        if heard is None and not delivery.withdrawn:
            await delivery.notice("stopped")
        return heard

    async def _all_heard(
        self, delivery: Delivery, every: Sequence[Attachment], what: What, form: Script
    ) -> Sequence[Written]:
        """What is said in each; beside others, a fault is said in its place, and alone it is raised.

        One that is not about the recording (the budget is spent, the server away) is the last: what was heard and
        paid for before it is not lost.
        """
        written, faults = list[Written](), list[ParleyError]()
        for place, recording in enumerate(every[:MOST]):
            number = place + 1 if len(every) > 1 else 0
            made = partial(Written, number=number, name=cleaned(recording.name) if number else "")
            try:
                written.append(made(await self._heard(delivery, recording, what, form, place)))
            except ParleyError as fault:
                lost = isinstance(fault, LeaseLost | StoreAway)
                passing = not isinstance(fault, Indigestible | Incapable)
                if lost or (passing and len(faults) == len(written)):
                    raise
                faults.append(fault)
                written.append(made(_worded(delivery, fault), fault=True))
                if passing:
                    break
        if len(faults) == len(written):
            raise faults[0]
        if len(every) > MOST:
            too_many = delivery.say("hear.too_many", limit=MOST, count=len(every) - MOST)
            written.append(Written(too_many, fault=True))
        return written

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
        conversation, of = delivery.conversation, delivery.message.key
        for part, piece in enumerate(pieces):
            name = f"{what} {form} {number}:{part}"
            if (words := await self._dictation.words(conversation, of, name)) is not None:
                texts.append(words)
                continue
            work = self._meter.work(
                what,
                piece.duration,
                delivery.message,
                attempt=delivery.hold.attempt,
                purpose=f"{number}:{part}" if number or part else "",  # one message of the person's haste
                warn=delivery.later,
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
                await self._dictation.put(conversation, of, name, texts[-1])
        if not (text := " ".join(filter(None, texts))).strip():
            raise Silent("no words")
        return text


def _worded(delivery: Delivery, fault: ParleyError) -> str:
    if isinstance(fault, Limited):
        return delivery.say(fault.key, wait=span(delivery.say, fault.wait), **fault.values)
    return delivery.say(fault.user_key, **fault.values)


class Transcribing:
    """Writes recordings down, instead of having them answered, where that is wanted; a `delivery.Handler`.

    Either way they are the person's last ones, which the commands may be about.
    """

    def __init__(self, listening: Listening, following: Handler) -> None:
        self._listening = listening
        self._following = following

    async def __call__(self, delivery: Delivery) -> None:
        """Write it down, or pass the message on."""
        await self._listening.note(delivery)
        if self._listening.transcribes(delivery):
            await self._listening.write_down(delivery)
        else:
            await self._following(delivery)
