"""Speech made: /say, and /voice, which chooses what is answered by voice, with which and how fast."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from bot.api import Choices, Option
from bot.commands import Call, Command
from bot.commands.studio import without_notes
from bot.delivery import Delivery
from bot.errors import MessageTooLong, NoSpeech, NoTranscription
from bot.profile import Profiles
from bot.routing import Router
from bot.settings import VOICES
from bot.speaking import Speaking, aloud
from bot.voices import LISTS, Voices, shown
from bot.window import Windows

SAY_LIMIT = 10_000
"""Characters that are spoken at once: ten minutes or so."""

_MODES: Mapping[str, str] = MappingProxyType(
    {
        **{mode: mode for mode in VOICES},
        "自动": "auto", "自動": "auto", "文字": "text", "off": "text", "语音": "voice", "語音": "voice", "on": "both",
        "两者": "both", "兩者": "both", "transcribe": "transcript", "转写": "transcript", "轉寫": "transcript",
        "仅转写": "transcript", "僅轉寫": "transcript", "只转写": "transcript", "只轉寫": "transcript",
    }
)  # fmt: skip
_BACK = frozenset({"default", "reset", "默认", "預設"})
_NEEDED: Mapping[str, Literal["speak", "transcribe"]] = MappingProxyType(
    {"auto": "speak", "voice": "speak", "both": "speak", "transcript": "transcribe"}
)
_SPEAKERS = frozenset({"voices", "speakers", "声音", "聲音"})
_SPEEDS = frozenset({"speed", "speeds", "速度", "语速", "語速"})
_SPEED = re.compile(r"(?:speed|速度|语速|語速)?\s*[x×]?([0-9]{1,2}(?:[.,][0-9]{1,3})?)\s*[x×]?")
_NAME = re.compile(r"[\w][\w .:@/-]{0,63}")
SLOWEST, FASTEST = 0.5, 2.0


class Sounds:
    """The commands about the bot's own speech."""

    def __init__(
        self,
        router: Router,
        *,
        speaking: Speaking,
        voices: Voices,
        profiles: Profiles,
        windows: Windows,
    ) -> None:
        self._router = router
        self._speaking = speaking
        self._voices = voices
        self._profiles = profiles
        self._windows = windows

    def commands(self) -> list[Command]:
        """The family."""
        return [
            Command("say", self.say, ("speak", "tts", "朗读", "朗讀", "念")),
            Command("voice", self.voice, ("语音", "語音"), chooses=True),
        ]

    # --- speaking --------------------------------------------------------------------------------------------

    async def say(self, call: Call) -> None:
        """Speak the argument, the message that is replied to, or the last answer."""
        delivery = call.delivery
        if not self._router.can("speak"):
            raise NoSpeech("not set up")
        quoted = delivery.message.quoted.text if delivery.message.quoted else ""
        words = call.argument or aloud(quoted or await self._last(delivery))[0]
        if not words:
            await delivery.notice("say.how")
            return
        if len(words) > SAY_LIMIT:
            raise MessageTooLong(f"{len(words)} characters to be spoken", limit=SAY_LIMIT)
        if not await self._speaking.say(delivery, words):
            await delivery.notice("stopped")

    async def _last(self, delivery: Delivery) -> str:
        exchanges = await self._windows.load(delivery.window)
        answers = (turn.content for exchange in reversed(exchanges) for turn in exchange.turns[-1:])
        return next(filter(None, map(without_notes, answers)), "")

    # --- choosing --------------------------------------------------------------------------------------------

    async def voice(self, call: Call) -> None:
        """Show what is answered by voice, and with which; or choose that."""
        delivery = call.delivery
        given = unicodedata.normalize("NFKC", call.argument).strip()
        if not self._voices.ways():
            raise NoSpeech("not set up")
        if not given or given.casefold() in _SPEAKERS | _SPEEDS:
            await delivery.send(self._shown(delivery, given.casefold()))
        elif not await call.may_choose("/voice"):
            return
        elif (choice := _chosen(given)) is None:
            await delivery.notice("voice.how")
        elif not SLOWEST <= (1 if choice.get("speed") is None else choice["speed"]) <= FASTEST:
            await delivery.notice("voice.range", low=f"{SLOWEST:g}", high=f"{FASTEST:g}")
        else:
            self._possible(choice)
            place = delivery.conversation if delivery.shared else delivery.home
            await self._profiles.change(place, **choice)
            await self._told(delivery, choice)

    def _possible(self, choice: Mapping[str, Any]) -> None:
        """Raises `NoSpeech`, `NoTranscription` where no model does what was chosen."""
        way = choice.get("voice", "")
        needed = "speak" if choice.get("speaker") or choice.get("speed") else _NEEDED.get(way, "")
        if needed == "speak" and not self._router.can("speak"):
            raise NoSpeech("not set up")
        if needed == "transcribe" and not self._router.can("transcribe"):
            raise NoTranscription("not set up")

    async def _told(self, delivery: Delivery, choice: Mapping[str, Any]) -> None:
        if choice.get("speaker"):
            await delivery.notice("voice.speaker", name=choice["speaker"])
        elif choice.get("speed"):
            await delivery.notice("voice.speed", speed=f"{choice['speed']:g}")
        elif choice.get("voice"):
            await delivery.notice(f"voice.mode_{choice['voice']}")
        else:
            await delivery.notice("voice.back")

    def _shown(self, delivery: Delivery, word: str) -> Choices:
        """The ways, or the voices, or the speeds, with what holds."""
        speaks, profile = self._router.can("speak"), delivery.profile
        if word and speaks:
            listed = self._voices.speakers if word in _SPEAKERS else self._voices.speeds
            setting = listed(delivery.say, profile)
            text = f"{shown(setting, delivery.language)}\n{delivery.say('voice.how')}"
            return Choices(text, setting.options)
        way, *others = self._voices.settings(delivery.say, profile)
        lines = [delivery.say(f"voice.mode_{self._voices.way(profile)}")]
        lines += [shown(other, delivery.language) for other in others]
        options = [*way.options, *(Option(other.label, LISTS[other.name]) for other in others)]
        return Choices("\n".join([*lines, *([delivery.say("voice.how")] if speaks else [])]), tuple(options))


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
