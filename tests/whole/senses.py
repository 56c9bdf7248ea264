"""Speech, pictures and files on five platforms: asked aloud, looked at, drawn, changed; and every format sent.

    python -m tests.whole.senses [FOLDER]

plays it against the simulated platforms and prints what went in and came out, with sizes and times. Every file is
kept in FOLDER. `test_senses.py` plays the same.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bot.media.kinds import sniff
from tests.bot.media.recordings import WORDS, recorded, samples, spoken
from tests.process import Bot, Visitor, bot
from tests.simulators import amr
from tests.simulators.endpoint import EndpointSimulator, endpoint_simulator
from tests.simulators.slack import SlackSimulator, slack_simulator
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.simulators.wechat import Account, Clock, WeChatSimulator, wechat_simulator
from tests.simulators.wecom import WeComSimulator, wecom_simulator
from tests.whole.booths import (
    Booth,
    Item,
    SlackBooth,
    TelegramBooth,
    WebBooth,
    WeChatBooth,
    WeComBooth,
    sees,
)
from tests.whole.conftest import towards
from tests.whole.parcels import Parcel, parcels
from tests.whole.studio import CORNERS, SHOT, Studio, brightness, envelope, photograph, unlike

ASKED, ANSWERED, AT_LENGTH = WORDS
"""What people ask aloud, what is answered to it, and what is asked to hear a long answer."""

LONG = ". ".join([ANSWERED, ASKED] * 22)
"""An answer of more than a minute, aloud."""

WISH = "a house under the moon"
MINUTE, TWO_MEGABYTES = 60.0, 2 * 1024 * 1024


@dataclass(frozen=True)
class Act:
    """One act on one platform: what was sent, what an endpoint got of it, and what came back, after how long."""

    platform: str
    what: str
    sent: str
    given: str
    got: str
    seconds: float


@dataclass(frozen=True)
class Passage:
    """How one file passed: what the endpoint got of it, in how many milliseconds, and what came of it."""

    parcel: Parcel
    given: str
    milliseconds: float
    found: str


@dataclass
class Senses:
    """The people, what is between them and the models, and what has been found."""

    running: Bot
    endpoint: EndpointSimulator
    studio: Studio
    booths: Sequence[Booth]
    stranger: WebBooth
    folder: Path | None = None
    camera: tuple[int, int] = (3000, 4000)
    rounds: int = 1
    acts: list[Act] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    clock: Callable[[], float] = time.perf_counter

    async def play(self) -> None:
        """Everything, one after the other, so that the times are those of one person."""
        for booth in self.booths:
            await self.aloud(booth)
            if booth.plays == "amr":
                await self.at_length(booth)
            await self.look(booth)
            await self.draw(booth)
        await self.post()

    # --- on a platform ---------------------------------------------------------------------------------------

    async def aloud(self, booth: Booth) -> None:
        """A question that is spoken is answered in text and by voice, and both say the same."""
        question = recorded(spoken(ASKED), booth.records)
        before, began = len(await booth.seen()), self.clock()
        await booth.speaks(question)
        new = await sees(booth, before, lambda new: _says(new, ANSWERED) and _has(new, "audio"))
        took, heard = self.clock() - began, self.studio.heard[-1]
        (voice,) = (item for item in new if item.kind == "audio")
        assert heard.words == ASKED, (booth.name, heard.words)
        assert _says(new, ASKED), "the transcript is shown"
        assert sniff(voice.data).form == booth.plays
        assert self.studio.ear.hears(voice.data) == ANSWERED, booth.name
        self._keep(booth, "question", question)
        self._keep(booth, "heard", heard.data)
        self._keep(booth, "answer", voice.data)
        self._row(booth, "asked aloud", question, heard.data, _label(voice.data), took)

    async def at_length(self, booth: Booth) -> None:
        """A long answer comes in recordings of at most a minute, which say all of it, in order."""
        source = spoken(LONG)
        question, before, began = recorded(spoken(AT_LENGTH), "amr"), len(await booth.seen()), self.clock()
        await booth.speaks(question)
        await sees(booth, before, lambda new: sum(map(_seconds, new)) > len(source) / 32_000 - 0.5)
        took, parts = self.clock() - began, [i for i in (await booth.seen())[before:] if i.kind == "audio"]
        assert len(parts) > 1
        for part in parts:
            assert amr.seconds(part.data) <= MINUTE
            assert len(part.data) <= TWO_MEGABYTES
        said = b"".join(samples(part.data) for part in parts)
        assert _alike(envelope(said), envelope(source)) > 0.9, booth.name
        for number, part in enumerate(parts, 1):
            self._keep(booth, f"long-answer-{number}", part.data)
        got = " + ".join(f"{_label(part.data)} of {amr.seconds(part.data):.0f} s" for part in parts)
        self._row(booth, "asked for a long answer", question, self.studio.heard[-1].data, got, took)

    async def look(self, booth: Booth) -> None:
        """A photograph comes to the model upright, without notes on where it was taken, and small; and stays."""
        shot, before, began = photograph(), len(await booth.seen()), self.clock()
        assert b"SecretCamera" in shot
        await booth.shows(shot, "What stands in the corners?")
        new = await sees(booth, before, lambda new: _says(new, "notes on where"))
        took, seen = self.clock() - began, self.studio.seen[-1]
        for told in (", ".join(CORNERS), "without notes"):
            assert _says(new, told), (booth.name, new)
        width, height = map(int, re.findall(r"(\d+) × (\d+)", "".join(i.text for i in new))[-1])
        assert width * height <= 1536 * 32 * 32
        assert abs(width / height - SHOT[0] / SHOT[1]) < 0.01
        assert len(seen.data) < len(shot)
        before = len(await booth.seen())
        await booth.says("Are you sure?")
        await sees(booth, before, lambda new: _says(new, ", ".join(CORNERS)))
        self._keep(booth, "photograph", shot)
        self._keep(booth, "seen", seen.data)
        answer = f"a description ({width} × {height})"
        self._row(booth, "a photograph asked about", shot, seen.data, answer, took)

    async def draw(self, booth: Booth) -> None:
        """A picture is drawn, made brighter, and made darker by a reply to it where the platform tells of it."""
        drawn = await self._picture(booth, booth.says, f"/image {WISH}", WISH)
        brighter = await self._picture(booth, booth.says, "/edit make it brighter", "make it brighter")
        assert brightness(brighter) > 1.3 * brightness(drawn)
        if isinstance(booth, TelegramBooth):
            darker = await self._picture(booth, booth.replies, "make it darker", "make it darker")
            assert brightness(darker) < 0.7 * brightness(brighter)

    async def _picture(
        self, booth: Booth, say: Callable[[str], Awaitable[None]], words: str, wish: str
    ) -> bytes:
        before, began = len(await booth.seen()), self.clock()
        await say(words)
        new = await sees(booth, before, lambda new: _says(new, wish) and _has(new, "image"))
        took = self.clock() - began
        (picture,) = (item.data for item in new if item.kind == "image")
        if isinstance(booth, WeChatBooth):
            assert len(picture) <= TWO_MEGABYTES
        assert unlike(picture, self.studio.drawn[-1]) < 3, (booth.name, words)
        self._keep(booth, wish.replace(" ", "-"), picture)
        self._row(booth, words, b"", self.studio.drawn[-1], _label(picture), took)
        return picture

    # --- every format ----------------------------------------------------------------------------------------

    async def post(self) -> None:
        """Send a file of each format, and see what the endpoint gets; the time is the shortest of all rounds."""
        await self.stranger.says("/voice text")
        every = list(parcels(self.camera))
        await self._passed(every[0])  # it starts the processes that read files
        for parcel in every:
            passages = [await self._passed(parcel) for _ in range(self.rounds)]
            self.passages.append(min(passages, key=lambda passage: passage.milliseconds))

    async def _passed(self, parcel: Parcel) -> Passage:
        booth, studio, began = self.stranger, self.studio, self.clock()
        before = len(studio.heard), len(studio.seen), len(studio.asked)
        item = await booth.visitor.answered(await booth.bring(parcel.data, parcel.name, parcel.mime))
        shown = " ".join(str(part.get("text", "")) for part in item["parts"]).strip()
        heard, seen, asked = studio.heard[before[0] :], studio.seen[before[1] :], studio.asked[before[2] :]
        took = [*heard, *seen, *asked][:1]
        given, found = "–", shown
        if heard:
            given, found = _label(heard[0].data), f"“{heard[0].words}”"
        elif seen:
            given, found = _label(seen[0].data), " × ".join(re.findall(r"(\d+) × (\d+)", shown)[-1])
            assert ", ".join(CORNERS) in shown, (parcel.name, shown)
            assert "without notes" in shown, (parcel.name, shown)
        elif asked:
            text = asked[0].words.partition("]\n")[2].partition("\n[End")[0]
            given, found = f"{len(text.encode()):,} bytes of text", _first_line(text)
        assert parcel.wanted in found, (parcel.name, found)
        await booth.says("/new")
        self._save(Path("formats") / parcel.name, parcel.data)
        if took and took[0].data:
            self._save(Path("formats") / f"{parcel.name}.{sniff(took[0].data).form}", took[0].data)
        return Passage(parcel, given, 1000 * ((took[0].at if took else self.clock()) - began), found)

    # --- what is kept ----------------------------------------------------------------------------------------

    def _row(self, booth: Booth, what: str, sent: bytes, given: bytes, got: str, took: float) -> None:
        self.acts.append(Act(booth.name, what, _label(sent) if sent else "words", _label(given), got, took))

    def _keep(self, booth: Booth, name: str, data: bytes) -> None:
        self._save(Path(booth.name.replace(" ", "-").lower()) / f"{name}.{sniff(data).form}", data)

    def _save(self, name: Path, data: bytes) -> None:
        if self.folder is not None:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(data)

    def tables(self) -> str:
        """What was found, as two tables in Markdown."""
        lines = [
            "| where | what | sent | the endpoint gets or gives | the person gets | s |",
            "|---|---|---|---|---|--:|",
        ]
        for act in self.acts:
            cells = (act.platform, act.what, act.sent, act.given, act.got, f"{act.seconds:.1f}")
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", "| file | bytes in | what the endpoint gets | ms | found |", "|---|--:|---|--:|---|"]
        for each in self.passages:
            size, took = f"{len(each.parcel.data):,}", f"{each.milliseconds:.0f}"
            lines.append(f"| {each.parcel.label} | {size} | {each.given} | {took} | {each.found} |")
        return "\n".join(lines)


def _says(items: Sequence[Item], words: str) -> bool:
    """Whether the items say the words, in whatever case and weight."""
    said = " ".join(re.sub(r"[*_\s]+", " ", item.text) for item in items).casefold()
    return words.casefold() in said


def _has(items: Sequence[Item], kind: str) -> bool:
    return any(item.kind == kind for item in items)


def _seconds(item: Item) -> float:
    return amr.seconds(item.data) if item.kind == "audio" else 0.0


def _label(data: bytes) -> str:
    return f"{sniff(data).label}, {len(data):,} bytes"


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")[:60].replace("|", "¦")


def _alike(one: Sequence[int], other: Sequence[int]) -> float:
    """The correlation of two courses of loudness over what both have."""
    pairs = list(zip(one, other, strict=False))
    first, second = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    both = sum((a - first) * (b - second) for a, b in pairs)
    alone = sum((a - first) ** 2 for a, _ in pairs) * sum((b - second) ** 2 for _, b in pairs)
    return float(both / alone**0.5)


def settings(
    endpoint: EndpointSimulator,
    telegram: TelegramSimulator,
    slack: SlackSimulator,
    wechat: WeChatSimulator,
    wecom: WeComSimulator,
) -> dict[str, str]:
    """Of the one bot that serves them all."""
    return {
        **towards(endpoint),
        **wechat.settings(),
        **wecom.environment,
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_BASE_URL": telegram.base_url,
        "SLACK_API_BASE_URL": slack.base_url,
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "WEB_CHAT": "on",
        "ALLOWED": "telegram:*,slack:*,wechat:*,wecom:*",
        "IMAGE_MODEL": "painter",
        "IMAGE_PREVIEWS": "2",
        "TRANSCRIPTION_MODEL": "listener",
        "SPEECH_MODEL": "speaker",
        "LANGUAGE": "en",
        "RATE_LIMIT": "1000/min",
        "BURST": "0s",
    }


@asynccontextmanager
async def senses(
    folder: Path, kept: Path | None = None, *, camera: tuple[int, int] = (3000, 4000)
) -> AsyncIterator[Senses]:
    """A bot in a folder of its own before all platforms; what goes in and out is written to `kept`.

    `camera` is the size of people's photographs in pixels.
    """
    studio = Studio({ASKED: f"**{ANSWERED.capitalize()}**.", AT_LENGTH: LONG})
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(endpoint_simulator())
        endpoint.reply, endpoint.made = studio.talk, studio.make
        telegram = await stack.enter_async_context(telegram_simulator())
        slack = await stack.enter_async_context(slack_simulator())
        slack.ack_seconds = 30  # the machine may be busy
        account, clock = Account(mode="secure"), Clock(1.0, outside=True)
        wechat = await stack.enter_async_context(wechat_simulator(account, clock=clock))
        wecom = await stack.enter_async_context(wecom_simulator())
        chosen = settings(endpoint, telegram, slack, wechat, wecom)
        running = await stack.enter_async_context(bot(folder, **chosen))
        wechat.deliveries.callbacks.append(f"{running.url}/wechat")
        wecom.deliver_to(f"{running.url}/wecom")
        visitor, stranger = [await stack.enter_async_context(Visitor(running)) for _ in range(2)]
        await slack.connected()
        ann, cas = telegram.person(1, "Ann"), slack.person("Cas")
        booths: list[Booth] = [
            TelegramBooth(telegram.private(ann), ann),
            SlackBooth(slack.dm(cas), cas),
            WeChatBooth(account, wechat.person("oDee")),
            WeComBooth(wecom.member("eve")),
            WebBooth(visitor),
        ]
        try:
            yield Senses(running, endpoint, studio, booths, WebBooth(stranger), kept, camera)
        except Exception as error:
            warned = [line for line in running.log.splitlines() if '"level": "info"' not in line]
            error.add_note("\n".join(warned)[-4000:])
            raise
        assert telegram.refused() == []
        # The form of a picture is asked for once, and never again of a model that has refused to hear of it.
        assert {refusal.param for refusal in endpoint.refused} <= {"response_format"}
        assert wecom.broken == []
        assert "Traceback" not in running.log


async def main(kept: Path | None) -> None:
    """Play it and print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        async with senses(Path(folder), kept) as played:
            played.rounds = 3
            await played.play()
            sys.stdout.write(played.tables() + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
