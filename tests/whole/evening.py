"""A long evening on three platforms at once: a group of four and four private chats, and what everybody sees.

    python -m tests.whole.evening

plays it against the simulated platforms and prints the transcript. `test_evening.py` asserts on the same script.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.process import Bot, Visitor, bot
from tests.simulators.endpoint import Answer, Call, EndpointSimulator, endpoint_simulator, fail, say
from tests.simulators.slack import SlackSimulator, slack_simulator
from tests.simulators.telegram import TelegramSimulator, telegram_simulator
from tests.whole.conftest import towards
from tests.whole.seats import Seat, SlackSeat, TelegramSeat, Transcript, WebSeat

SECRETS = ("violet", "walrus", "xenon", "yonder")
"""A word that each of the four has said in private."""

_PRICES = 'models = [{ name = "small", in = 0.1, out = 10 }]'
_WORDS = 80
_AN_HOUR = 15  # questions of one person


def model(call: Call) -> Answer:
    """The model of the evening: it says what it was asked, in the manner of its role."""
    question = call.text.rpartition("] ")[2]
    system = "".join(m["content"] for m in call.body["messages"] if m["role"] == "system")
    turns = sum(m["role"] == "assistant" for m in call.body["messages"])
    if question.startswith("essay"):
        return say("word " * _WORDS)(call)
    if "ummari" in question or "總結" in question or "总结" in question:
        return say(f"A summary of {turns} answers.")(call)
    manner = "Arr! " if "pirate" in system else "Welcome! " if "concierge" in system else ""
    return say(f"{manner}I hear: {question}")(call)


@dataclass
class Evening:
    """The people, their rooms, and what is between them."""

    out: Transcript
    running: Bot
    endpoint: EndpointSimulator
    telegram: TelegramSimulator
    slack: SlackSimulator
    folder: Path
    ann: TelegramSeat
    bob: TelegramSeat
    cas: SlackSeat
    dee: WebSeat
    team: dict[str, TelegramSeat]

    def told(self, number: int = -1) -> str:
        """What a request had told the model."""
        return "\n".join(str(m["content"]) for m in self.endpoint.requests[number].body["messages"])

    async def play(self) -> None:
        """The whole evening."""
        for title, scene in (
            ("Four private chats on three platforms", self.privately),
            ("A group of four", self.together),
            ("What is an admin's to choose", self.chosen),
            ("Second thoughts", self.second_thoughts),
            ("Three languages", self.languages),
            ("Side by side", self.sessions),
            ("While an answer runs", self.waiting),
            ("A stranger", self.stranger),
            ("A fault, and what became of it", self.fault),
            ("New roles from a file", self.reloaded),
            ("Money", self.money),
            ("Too fast", self.too_fast),
            ("Bad input", self.bad_input),
            ("Forgotten", self.forgotten),
        ):
            self.out.scene(title)
            await scene()

    # --- dialogue --------------------------------------------------------------------------------------------

    async def privately(self) -> None:
        """Everybody tells a secret, all at the same time."""
        seats: list[Seat] = [self.ann, self.bob, self.cas, self.dee]
        await asyncio.gather(*(s.says(f"My word is {w}") for s, w in zip(seats, SECRETS, strict=True)))
        for seat, word in zip(seats, SECRETS, strict=True):
            await seat.sees(f"I hear: My word is {word}")

    async def together(self) -> None:
        """The group: who calls the bot, what was said before, and roles."""
        ann, bob, cas, dee = (self.team[name] for name in ("Ann", "Bob", "Cas", "Dee"))
        await bob.says("Rain again.")
        await cas.says("Tea for me.")
        await dee.says("And milk.")
        await ann.says("@parley_bot who wants what?")
        await ann.sees("who wants what?")
        for line in ("Rain again.", "- Cas #", "Tea for me.", "- Dee #", "[Ann #"):
            assert line in self.told(), line
        await dee.says("computer, what time is it?")  # the keyword
        await dee.sees("what time is it?")
        assert "[Dee #" in self.told()
        await self.bob.says("/role new Pirate: You are an old pirate.")
        await self.bob.sees("Pirate")
        await bob.says("/role@parley_bot share Pirate")
        await bob.sees("Everybody in this group")
        await bob.says("/role@parley_bot Pirate")
        await bob.sees("Only an admin of this group")
        await ann.says("/role@parley_bot Pirate")
        await ann.sees("From now on: ", "Pirate")
        await cas.says("@parley_bot ahoy")
        await cas.sees("Arr! I hear: ahoy")
        robot = self.slack.robot()
        office = self.slack.channel("office", [self.cas.person, robot])
        await robot.says(office, f"{self.slack.mention} the build is red")
        self.out.note("Slack office", "Deploybot", "@Parley the build is red")
        await self.slack.settled()
        assert office.visible() == []

    async def chosen(self) -> None:
        """Roles, prompts and settings, in private and for a group."""
        ann, cas = self.team["Ann"], self.team["Cas"]
        await cas.says("/set@parley_bot temperature 0.1")
        await cas.sees("Only an admin of this group")
        await ann.says("/set@parley_bot temperature 0.1")
        await ann.sees("temperature is 0.1")
        await cas.says("@parley_bot warm?")
        await cas.sees("Arr! I hear: warm?")
        assert self.endpoint.requests[-1].body["temperature"] == 0.1
        await self.dee.says("/role")
        await self.dee.sees("Choose a role")
        await self.dee.presses("Translator")
        await self.dee.sees("From now on: ", "Translator")
        await self.dee.says("/system You are a pirate, too.")
        await self.dee.sees("system prompt of its own")
        await self.dee.says("good evening")
        await self.dee.sees("Arr! I hear: good evening")
        await self.dee.says("/system reset")
        await self.dee.sees("that of the role again")
        await self.dee.says("/settings")
        await self.dee.sees("Translator", "Current model: small")

    async def second_thoughts(self) -> None:
        """Retry, edit, undo, summary, export."""
        ann = self.ann
        await ann.says("the capital of Peru?")
        await ann.sees("I hear: the capital of Peru?")
        await ann.says("/retry")
        await ann.sees("I hear: the capital of Peru?")
        assert self.told().count("the capital of Peru?") == 1
        await ann.says("and of Chle?")
        await ann.sees("I hear: and of Chle?")
        await ann.edits("and of Chile?")
        await ann.sees("I hear: and of Chile?")
        assert "Chle" not in self.told()
        await ann.says("/undo")
        await ann.sees("taken back")
        await ann.says("/summary")
        await ann.sees("A summary of 2 answers.")
        assert "Chile" not in self.told()
        await ann.says("/export")
        name, content = await ann.gets("3 questions and their answers")
        assert re.fullmatch(r"dialogue-\d{4}-\d\d-\d\d\.md", name)
        assert "capital of Peru" in content.decode()

    async def languages(self) -> None:
        """The app's language, and another one by choice."""
        await self.cas.says("/lang")
        await self.cas.sees("哪种语言")
        await self.cas.presses("简体中文")
        await self.cas.sees("从现在起")
        await self.bob.says("/lang")
        await self.bob.sees("language")
        await self.bob.presses("繁體中文")
        await self.bob.sees("從現在起")
        await self.bob.says("/undo")
        await self.bob.sees("已撤銷")
        await self.ann.says("/lang en")
        await self.ann.sees("in English")
        await self.cas.says("/帮助")
        await self.cas.sees("new – 重新开始")

    async def sessions(self) -> None:
        """Two dialogues of one person know nothing of each other."""
        await self.dee.says("/sessions new Trip")
        await self.dee.sees("“Trip”")
        await self.dee.says("which word was mine?")
        await self.dee.sees("I hear")
        assert SECRETS[3] not in self.told()
        await self.dee.says("/sessions Main")
        await self.dee.sees("“Main”")
        await self.dee.says("and here?")
        await self.dee.sees("I hear: and here?")
        assert SECRETS[3] in self.told()

    async def waiting(self) -> None:
        """A burst is one question, and what waits is answered in order."""
        begun, gate = asyncio.Event(), asyncio.Event()
        begun.set()
        self.endpoint.script(say(["Let me think ", "of it."], gates=[begun, gate]))
        room = self.ann.chat
        await self.ann.says("a long story, please")
        await room.until(lambda: room.draft is not None and "Let me" in room.draft.text)
        for part in ("one part,", "a second part,", "the end."):
            await self.ann.says(part)
        waits = self.ann.written
        await self.telegram.until(lambda: waits is not None and bool(waits.reactions))
        self.out.note(self.ann.room, "Parley", "(reacts) 👀")
        gate.set()
        await self.ann.sees("Let me think of it.")
        await self.ann.sees("one part,\na second part,\nthe end.")

        gate.clear()
        self.endpoint.script(say(["The first words of it, ", "and the rest."], gates=[begun, gate]))
        await self.cas.says("一")
        assert self.cas.first is not None
        await self.cas.first.thread.shows("first words")
        await self.cas.says("二")
        whisper = await self.cas.person.sees(self.cas.channel, "接下来就回答您")
        self.out.note(self.cas.room, "Parley", f"(only to Cas) {whisper.shown}")
        gate.set()
        await self.cas.sees("and the rest.")
        await self.cas.sees("I hear: 二")

    # --- people, money, faults -------------------------------------------------------------------------------

    async def stranger(self) -> None:
        """Eve is not known, is let in by her code, and shut out again."""
        eve = self.telegram.person(66, "Eve")
        seat = TelegramSeat(self.out, "TG Eve", self.telegram.private(eve), eve)
        await seat.says("hello?")
        code = re.findall(r"/allow (\w{8})", await seat.sees("telegram:66"))[0]
        await seat.says("anybody there?")
        await self.ann.says("/people")
        await self.ann.sees(code, "Eve")
        await self.ann.presses("Eve")
        await self.ann.sees("telegram:66 may talk to me")
        await seat.says("and now?")
        await seat.sees("I hear: and now?")
        await self.ann.says("/deny telegram:66")
        await self.ann.sees("may not talk to me")
        await seat.says("still here?")
        await seat.sees("only people it knows")
        assert len(seat.chat.said) == 3
        await self.bob.says("/allow telegram:66")
        await self.bob.sees("沒有 /allow 這個指令")

    async def fault(self) -> None:
        """Plain words, a reference, and what an admin finds by it."""
        self.endpoint.script(fail(401, "Incorrect API key provided: sk-secret", code="invalid_api_key"))
        await self.bob.says("are you well?")
        told = await self.bob.sees("金鑰")
        assert "sk-secret" not in told
        ref = re.findall(r"([0-9A-Z]{6,})", told)[-1]
        await self.ann.says(f"/debug {ref}")
        found = await self.ann.sees(ref, "ended with an error", "telegram:2", "KeyRejected")
        assert "are you well?" not in found

    async def reloaded(self) -> None:
        """A role that the operator adds while the bot runs."""
        (self.folder / "roles.toml").write_text('[desk]\nname = "Desk"\nprompt = "You are a concierge."\n')
        await self.ann.says("/reload")
        await self.ann.sees("read again")
        await self.dee.says("/role desk")
        await self.dee.sees("Desk")
        await self.dee.says("breakfast?")
        await self.dee.sees("Welcome! I hear: breakfast?")

    async def money(self) -> None:
        """A budget: shown, warned of once, and kept."""
        await self.dee.says("/id")
        id = (await self.dee.sees("web:")).split()[-1]
        await self.ann.says(f"/budget {id} 0.005/day")
        await self.ann.sees("0.0050 USD a day")
        keys: list[str] = []
        for number in range(9):
            await self.dee.says(f"essay {number}")
            told = await self.dee.sees()
            keys += self.dee.notices
            if "budget.person_day" in keys:
                break
        assert keys == ["budget.near.person_day", "budget.person_day"]
        assert "at 00:00 UTC" in told
        await self.dee.says("/usage")
        await self.dee.sees("of 0.0050 USD")
        await self.ann.says("/stats")
        await self.ann.sees("This month by person:", "telegram:1")
        name, table = await self.ann.gets("CSV")
        assert name.endswith(".csv")
        assert b"slack:" in table
        await self.ann.says("/budget")
        await self.ann.sees(f"{id}: 0.0050 USD a day")

    async def too_fast(self) -> None:
        """More questions than a person may ask in an hour."""
        for number in range(_AN_HOUR - 2):  # two he has asked before
            await self.bob.says(f"問題 {number}")
            await self.bob.sees(f"I hear: 問題 {number}")
        await self.bob.says("還有一個問題")
        await self.bob.sees("太快", "4 分鐘")
        await self.bob.says("/usage")  # costs nothing, so it still works
        await self.bob.sees("今天")

    async def bad_input(self) -> None:
        """Nothing changes, and the answer says why."""
        for text, wanted in (
            ("/sumary", "/summary"),
            ("/set temperature 7", "0 to 2"),
            ("/role kapitan", "no role called"),
            ("/role new Bad*Name: x", "formatting"),
            ("/system " + "x" * 100_000, "too long"),
            ("/sessions Trip to Mars", "no session called"),
            ("/forget yes 0-00000000", "no longer valid"),
            ("/export pdf", "Markdown"),
        ):
            self.out.note(self.dee.room, self.dee.name, text[:60])
            self.dee.asked = await self.dee.visitor.ask(text)
            await self.dee.sees(wanted)
        count = len(self.team["Ann"].chat.said)
        await self.team["Cas"].says("/nonsense")  # another bot's, for all we know
        await self.team["Ann"].says("@parley_bot good night")
        await self.team["Ann"].sees("good night")
        assert len(self.team["Ann"].chat.said) == count + 1

    async def forgotten(self) -> None:
        """Everything that is kept about a person, at once, after they have been asked."""
        await self.ann.says("/forget")
        await self.ann.sees("It cannot be brought back")
        await self.ann.presses("No, keep it")
        await self.ann.sees("Nothing was deleted")
        await self.ann.says("/forget")
        await self.ann.sees("It cannot be brought back")
        await self.ann.presses("Yes, delete everything")
        await self.ann.sees("nothing about you")
        await self.ann.says("what do you know?")
        await self.ann.sees("I hear: what do you know?")
        assert [m["role"] for m in self.endpoint.requests[-1].body["messages"]] == ["system", "user"]
        await self.dee.says("/forget")
        await self.dee.sees("It cannot be brought back")
        await self.dee.presses("Yes, delete everything")
        await self.dee.sees("nothing about you")
        assert [item["question"][:12] for item in await self.dee.visitor.history()] == ["/forget yes "]


def settings(
    endpoint: EndpointSimulator, telegram: TelegramSimulator, slack: SlackSimulator, folder: Path
) -> dict[str, str]:
    """Of the one bot that serves them all."""
    (folder / "prices.toml").write_text(_PRICES, encoding="utf-8")
    (folder / "roles.toml").write_text("", encoding="utf-8")
    return towards(endpoint) | {
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_BASE_URL": telegram.base_url,
        "SLACK_API_BASE_URL": slack.base_url,
        "SLACK_BOT_TOKEN": slack.team.token,
        "SLACK_APP_TOKEN": slack.app_token,
        "WEB_CHAT": "on",
        "ADMINS": "telegram:1",
        "ALLOWED": "telegram:2,telegram:3,telegram:4,slack:*",
        "GROUP_TRIGGER": "mention,reply,command,computer",
        "GROUP_AMBIENT": "3",
        "CONTEXT_GROUP_SCOPE": "chat",
        "RATE_LIMIT": f"{_AN_HOUR}/h",
        "PRICES_FILE": str(folder / "prices.toml"),
        "ROLES_FILE": str(folder / "roles.toml"),
        "MAX_TOKENS": "100",
    }


async def evening(folder: Path, out: Transcript, then: Callable[[Evening], Awaitable[None]]) -> None:
    """Play the evening in a folder of its own; `then` looks at it before everybody goes home."""
    async with AsyncExitStack() as stack:
        endpoint = await stack.enter_async_context(endpoint_simulator())
        telegram = await stack.enter_async_context(telegram_simulator(privacy=False))
        slack = await stack.enter_async_context(slack_simulator())
        endpoint.reply = model
        chosen = settings(endpoint, telegram, slack, folder)
        running = await stack.enter_async_context(bot(folder, **chosen))
        visitor = await stack.enter_async_context(Visitor(running))
        await slack.connected()
        names = ("Ann", "Bob", "Cas", "Dee")
        people = {name: telegram.person(n, name) for n, name in enumerate(names, 1)}
        group, seen = telegram.group("Team", list(people.values())), set[int]()
        cas = slack.person("Cas", locale="zh-CN")
        played = Evening(
            out,
            running,
            endpoint,
            telegram,
            slack,
            folder,
            ann=TelegramSeat(out, "TG Ann", telegram.private(people["Ann"]), people["Ann"]),
            bob=TelegramSeat(out, "TG Bob", telegram.private(people["Bob"]), people["Bob"]),
            cas=SlackSeat(out, "Slack Cas", slack.dm(cas), cas),
            dee=WebSeat(out, "Web Dee", "Dee", visitor),
            team={name: TelegramSeat(out, "TG Team", group, people[name], seen) for name in names},
        )
        await played.play()
        await then(played)


async def main() -> None:
    """Play it and print what everybody sees."""

    async def over(played: Evening) -> None:
        played.out.scene(f"{len(played.endpoint.requests)} questions went to the model")

    with tempfile.TemporaryDirectory() as folder:
        await evening(Path(folder), Transcript(aloud=True), over)


if __name__ == "__main__":
    asyncio.run(main())
