"""Speech made and read: /say, /voice, /transcribe, /translate."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from bot.api import Attachment, Choices, Media, Notice, Option, Status
from bot.commands import Call, Command
from bot.commands.media import AT_ONCE, attached, fetched
from bot.delivery import Delivery
from bot.endpoints.audio import Script, Transcript
from bot.errors import MessageTooLong, NoSpeech, NoTranscription, Silent
from bot.media.workshop import Workshop
from bot.meter import Meter
from bot.profile import Profiles
from bot.routing import Router
from bot.settings import VOICES
from bot.speaking import Speaking, aloud
from bot.window import Windows

SAY_LIMIT = 10_000
"""Characters that are spoken at once: ten minutes or so."""

SHOWN = 8000
"""Characters of a transcript that is shown as a message; a longer one is a file."""

_SCRIPTS: Mapping[Script, tuple[str, str]] = MappingProxyType(
    {"text": ("text/plain", "txt"), "srt": ("application/x-subrip", "srt"), "vtt": ("text/vtt", "vtt")}
)
_MODES: Mapping[str, str] = MappingProxyType(
    {
        **{mode: mode for mode in VOICES},
        "自动": "auto", "自動": "auto", "文字": "text", "off": "text", "语音": "voice", "語音": "voice", "on": "both",
        "两者": "both", "兩者": "both",
    }
)  # fmt: skip
_BACK = frozenset({"default", "reset", "默认", "預設"})
_SPEED = re.compile(r"(?:speed|速度|语速|語速)?\s*[x×]?([0-9]{1,2}(?:[.,][0-9]{1,3})?)\s*[x×]?")
_NAME = re.compile(r"[\w][\w .:@/-]{0,63}")
SLOWEST, FASTEST = 0.5, 2.0

What = Literal["transcribe", "translate"]


class Sounds:
    """The commands about speech."""

    def __init__(
        self,
        router: Router,
        meter: Meter,
        *,
        workshop: Workshop,
        speaking: Speaking,
        profiles: Profiles,
        windows: Windows,
    ) -> None:
        self._router = router
        self._meter = meter
        self._workshop = workshop
        self._speaking = speaking
        self._profiles = profiles
        self._windows = windows
        self._room = asyncio.Semaphore(AT_ONCE)

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("say", self.say, ("speak", "tts", "朗读", "朗讀", "念")),
            Command("voice", self.voice, ("语音", "語音")),
            Command("transcribe", self.transcribe, ("stt", "转写", "轉寫", "听写", "聽寫")),
            Command("translate", self.translate, ("译成英文", "譯成英文")),
        ]

    # --- speaking --------------------------------------------------------------------------------------------

    async def say(self, call: Call) -> None:
        """Speak the argument, the message that is replied to, or the last answer."""
        delivery = call.delivery
        if not self._router.can("speak"):
            raise NoSpeech("not set up")
        if delivery.hold.kept is not None:
            return  # an earlier attempt sent it
        quoted = delivery.message.quoted.text if delivery.message.quoted else ""
        words = call.argument or aloud(quoted or await self._last(delivery))[0]
        if not words:
            await delivery.notice("say.how")
            return
        if len(words) > SAY_LIMIT:
            raise MessageTooLong(f"{len(words)} characters to be spoken", limit=SAY_LIMIT)
        await delivery.send(Status("thinking", (Option(delivery.say("offer.stop"), "/stop"),)))
        if await self._speaking.say(delivery, words):
            await delivery.hold.keep("spoken")
        else:
            await delivery.notice("stopped")

    async def _last(self, delivery: Delivery) -> str:
        exchanges = await self._windows.load(delivery.window)
        turns = [turn for exchange in exchanges[-1:] for turn in exchange.turns if turn.role == "assistant"]
        return turns[-1].content if turns else ""

    # --- choosing --------------------------------------------------------------------------------------------

    async def voice(self, call: Call) -> None:
        """Show what is answered by voice, and with which; or choose that."""
        delivery = call.delivery
        given = unicodedata.normalize("NFKC", call.argument).strip()
        if not self._router.can("speak"):
            raise NoSpeech("not set up")
        if not given:
            await delivery.send(self._shown(delivery))
        elif call.fixed:
            await delivery.notice("command.admins_only", command="/voice")
        elif (choice := _chosen(given)) is None:
            await delivery.notice("voice.how")
        elif not SLOWEST <= (1 if choice.get("speed") is None else choice["speed"]) <= FASTEST:
            await delivery.notice("voice.range", low=f"{SLOWEST:g}", high=f"{FASTEST:g}")
        else:
            place = delivery.conversation if delivery.shared else delivery.home
            await self._profiles.change(place, **choice)
            await self._told(delivery, choice)

    async def _told(self, delivery: Delivery, choice: Mapping[str, Any]) -> None:
        if choice.get("speaker"):
            await delivery.notice("voice.speaker", name=choice["speaker"])
        elif choice.get("speed"):
            await delivery.notice("voice.speed", speed=f"{choice['speed']:g}")
        elif choice.get("voice"):
            await delivery.notice(f"voice.mode_{choice['voice']}")
        else:
            await delivery.notice("voice.back")

    def _shown(self, delivery: Delivery) -> Choices:
        profile, mode = delivery.profile, self._speaking.mode(delivery)
        lines = [delivery.say(f"voice.mode_{mode}")]
        if profile.speaker:
            lines.append(delivery.say("voice.speaker", name=profile.speaker))
        if profile.speed:
            lines.append(delivery.say("voice.speed", speed=f"{profile.speed:g}"))
        lines.append(delivery.say("voice.how"))
        options = tuple(Option(delivery.say(f"voice.choice_{m}"), f"/voice {m}") for m in VOICES)
        return Choices("\n".join(lines), options)

    # --- listening -------------------------------------------------------------------------------------------

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
            await delivery.send(Status("listening", (Option(delivery.say("offer.stop"), "/stop"),)))
            async with self._room:
                said = await self._heard(delivery, found[-1], what, form)
            if said is None:
                await delivery.notice("stopped")
                return
            if not said.text.strip():
                raise Silent("no words")
            kept = said.text
            await delivery.hold.keep(kept)
        await self._show(delivery, what, form, kept)

    async def _heard(
        self, delivery: Delivery, recording: Attachment, what: What, form: Script
    ) -> Transcript | None:
        """What is said in it; None where the person stopped it."""
        data = await fetched(delivery, recording)
        sound = await self._workshop.sound(data, name=recording.name, mime=recording.mime)
        if sound.silent:
            raise Silent("nothing to hear")
        work = self._meter.work(
            what, sound.duration, delivery.message, attempt=delivery.hold.attempt, warn=delivery.send
        )
        async with work as bill:
            ask = self._router.transcribe if what == "transcribe" else self._router.translate
            said: Transcript | None = await delivery.unless_stopped(
                ask(sound.data, sound.mime, sound.name, form=form)
            )
            bill.done = sound.duration
        return said

    async def _show(self, delivery: Delivery, what: What, form: Script, text: str) -> None:
        if form == "text" and len(text) <= SHOWN:
            await delivery.send(Notice(f"{what}.said", text=text))
            return
        mime, ending = _SCRIPTS[form]
        data = text.encode("utf-8", "replace")
        await delivery.send(
            Media("file", mime, data, delivery.say(f"{what}.caption"), f"transcript.{ending}")
        )


def _chosen(given: str) -> dict[str, Any] | None:
    """The fields of the profile that are chosen: a way, a speed or a voice; None where it is none of them."""
    word = given.casefold()
    if word in _BACK:
        return {"voice": "", "speaker": "", "speed": None}
    if word in _MODES:
        return {"voice": _MODES[word]}
    if speed := _SPEED.fullmatch(word):
        return {"speed": float(speed[1].replace(",", "."))}
    return {"speaker": given} if _NAME.fullmatch(given) else None
