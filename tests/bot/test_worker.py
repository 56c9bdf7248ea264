"""Worker: every message is answered once, whoever dies, stops or loses Redis on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from bot.api import (
    Adapter,
    End,
    Gone,
    Incoming,
    Journal,
    Notice,
    Person,
    Place,
    ReplyPart,
    Said,
    Text,
    Unavailable,
)
from bot.delivery import Delivery, Handler
from bot.i18n import Catalogue
from bot.inbox import Inbox, Lease
from bot.keys import Keys
from bot.profile import Profile, Profiles
from bot.scope import home, scope
from bot.settings import Settings
from bot.telemetry import reference
from bot.traces import Traces
from bot.worker import AWAY, LONG_PASTE, PASTE_WAIT, Worker
from tests.bot.doubles import Collected, incoming


class Platform(Adapter):
    """An adapter whose posts are a list; a fault may be set for the next `send`."""

    name = "test"
    voice_form = "ogg-opus"

    def __init__(self) -> None:
        self.replies: dict[str, list[Collected]] = {}
        self.journals: list[Journal] = []
        self.faults: list[Exception] = []
        self.before: list[Said] = []

    def reply(self, incoming: Incoming, journal: Journal) -> "Platform.Post":
        self.journals.append(journal)
        collected = Collected()
        self.replies.setdefault(incoming.text, []).append(collected)
        return Platform.Post(self, collected)

    @dataclass
    class Post:
        platform: "Platform"
        collected: Collected

        async def send(self, part: ReplyPart) -> None:
            if self.platform.faults:
                raise self.platform.faults.pop(0)
            await self.collected.send(part)

        async def abandon(self) -> None:
            await self.collected.abandon()

    async def earlier(self, incoming: Incoming) -> Sequence[Said]:
        return self.before

    def last(self, text: str) -> Collected:
        return self.replies[text][-1]


async def echo(delivery: Delivery) -> None:
    await delivery.send(Text(delivery.message.text))
    await delivery.end()


async def briefly(seconds: float) -> None:
    """The worker's pauses without the waiting; the leases are long, so that no slow machine loses one."""
    await asyncio.sleep(min(seconds, 0.01))


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until a condition holds, for half a minute at the most."""
    async with asyncio.timeout(30):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.005)


@dataclass
class House:
    """An inbox and workers on it."""

    redis: Redis
    keys: Keys
    platform: Platform = field(default_factory=Platform)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lend("30s")

    def lend(self, lease: str) -> None:
        """From now on leases are as long."""
        self.settings = Settings.load({"LEASE": lease, "DRAIN": "5s", "ATTEMPTS": "2"})
        self.inbox = Inbox(self.redis, self.keys, lease=self.settings.lease)

    def hire(
        self, handler: Handler, *, name: str = "w1", alone: bool = False, drain: str = "5s", **more: object
    ):
        task = asyncio.create_task(self.worker(handler, name=name, alone=alone, drain=drain, **more).run())
        self.tasks.append(task)
        return task

    def worker(
        self,
        handler: Handler,
        *,
        name: str,
        alone: bool,
        drain: str,
        sleep: Callable[[float], Awaitable[None]] = briefly,
        clock: Callable[[], float] | None = None,
        **more: object,
    ) -> Worker:
        settings = Settings.load(
            {"LEASE": f"{self.settings.lease}s", "DRAIN": drain, "ATTEMPTS": "2", **more}
        )  # type: ignore[dict-item]
        catalogue = Catalogue.load()
        return Worker(
            self.inbox,
            handler,
            {"test": self.platform},
            Profiles(self.redis, self.keys),
            settings=settings,
            language=lambda profile, tag: catalogue.match(profile.language or tag),
            say=catalogue.say,
            consumer=name,
            alone=alone,
            traces=Traces(self.redis, self.keys),
            clock=clock,
            sleep=sleep,
        )

    async def tell(self, text: str, *, conversation: str = "c", **more: object) -> Incoming:
        message = incoming(text, **more)  # type: ignore[arg-type]
        assert await self.inbox.accept(conversation, message) == "accepted"
        return message

    async def silence(self) -> None:
        """Let the one lease be an hour old."""
        (lease,) = await self.redis.xpending_range(self.keys.ready, "workers", "-", "+", 2)
        token, owner = [lease["message_id"]], lease["consumer"]
        await self.redis.xclaim(self.keys.ready, "workers", owner, 0, token, idle=3_600_000, justid=True)

    async def renewed(self) -> bool:
        """Whether the one lease is young."""
        (lease,) = await self.redis.xpending_range(self.keys.ready, "workers", "-", "+", 2)
        return bool(lease["time_since_delivered"] < 1000 * self.settings.lease)

    async def idle(self) -> bool:
        depth = await self.inbox.depth()
        return depth.conversations == 0 and depth.leased == 0


@pytest.fixture
async def house(redis: Redis, prefix: str) -> AsyncIterator[House]:
    made = House(redis, Keys(prefix))
    await made.inbox.open()
    yield made
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


async def test_messages_of_one_conversation_are_answered_in_order_and_others_do_not_wait(house: House):
    order: list[str] = []
    gate = asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        if delivery.message.text == "a1":
            await gate.wait()
        order.append(delivery.message.text)
        await echo(delivery)

    for text in ("a1", "a2", "b1", "b2"):
        await house.tell(text, conversation=text[0])
    house.hire(handler)
    await until(lambda: len(order) == 2)
    assert order == ["b1", "b2"]
    gate.set()
    await until(house.idle)
    assert order == ["b1", "b2", "a1", "a2"]


async def test_a_process_that_dies_leaves_its_message_to_the_next_with_the_journal(house: House):
    message = await house.tell("hello")
    (lease,) = await house.inbox.take("dead", count=1, block=0.1)
    await house.inbox.posted(lease, "post-1")
    await house.inbox.finish(lease, '{"text": "kept"}')
    await house.silence()
    seen: list[tuple[int, Sequence[str], str | None]] = []

    async def handler(delivery: Delivery) -> None:
        seen.append((delivery.hold.attempt, house.platform.journals[-1].posts, delivery.hold.kept))
        await echo(delivery)

    house.hire(handler)
    await until(house.idle)
    assert seen == [(2, ["post-1"], '{"text": "kept"}')]
    assert house.platform.last(message.text).text == "hello"


async def test_the_only_worker_takes_over_at_once_what_a_crash_left(house: House):
    house.inbox = Inbox(house.redis, house.keys, lease=3600)
    await house.tell("hello")
    await house.inbox.take("dead", count=1, block=0.1)
    house.hire(echo, alone=True, LEASE="1h")
    await until(house.idle)
    assert house.platform.last("hello").text == "hello"


async def test_a_long_answer_keeps_its_lease(house: House):
    gate, runs = asyncio.Event(), []

    async def handler(delivery: Delivery) -> None:
        runs.append(delivery.hold.attempt)
        await gate.wait()
        await echo(delivery)

    house.hire(handler, name="w1")
    house.hire(handler, name="w2")
    message = await house.tell("long")
    await until(lambda: len(runs) == 1)
    for _ in range(3):
        await house.silence()
        await until(house.renewed)
        assert await house.inbox.adopt("w3", count=1) == []
    gate.set()
    await until(house.idle)
    assert runs == [1]
    assert house.platform.last(message.text).text == "long"


async def test_stop_reaches_the_answer_under_way_and_not_the_next(house: House):
    stopped: list[str] = []

    async def handler(delivery: Delivery) -> None:
        if delivery.message.text == "first":
            await delivery.stopping.wait()
        if delivery.stopping.is_set():
            stopped.append(delivery.message.text)
        await echo(delivery)

    house.hire(handler)
    await house.tell("first")
    await house.tell("second")
    await until(lambda: "first" in house.platform.replies)
    assert await house.inbox.accept("c", incoming("/stop"), urgent=True) == "interrupted"
    await until(house.idle)
    assert stopped == ["first"]


async def test_stop_that_comes_before_any_worker_took_the_message_is_not_lost(house: House):
    stopped = asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        async with asyncio.timeout(30):
            await delivery.stopping.wait()
        stopped.set()
        await delivery.end()

    await house.tell("first")
    assert await house.inbox.accept("c", incoming("/stop"), urgent=True) == "interrupted"
    house.hire(handler)
    await until(house.idle)
    assert stopped.is_set()


async def test_a_message_that_cannot_be_answered_is_given_up_and_the_person_is_told(house: House):
    runs = 0

    async def handler(delivery: Delivery) -> None:
        nonlocal runs
        runs += 1
        raise RuntimeError("a fault of ours that nobody caught")

    message = await house.tell("hopeless")
    await house.tell("next")
    house.hire(handler)
    await until(house.idle)
    assert runs == 4
    notice = house.platform.last("hopeless").parts[0]
    assert isinstance(notice, Notice)
    assert (notice.key, notice.values["attempts"]) == ("gave_up", 2)
    assert (await Traces(house.redis, house.keys).find(reference(message)))["state"] == "given_up"
    assert (await house.inbox.depth()).dead == 2


async def test_a_platform_that_is_away_for_minutes_gets_its_answer_afterwards(house: House):
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await asyncio.sleep(0)

    async def handler(delivery: Delivery) -> None:
        if len(waits()) < AWAY - 1:
            raise Unavailable("the platform is away")
        await echo(delivery)

    def waits() -> list[float]:
        return [seconds for seconds in waited if seconds != house.settings.lease / 3]

    await house.tell("patient")
    house.hire(handler, sleep=sleep)
    await until(house.idle)
    assert house.platform.last("patient").text == "patient"
    assert sum(waits()) > 4 * 60
    assert (await house.inbox.depth()).dead == 0


async def test_a_platform_that_never_comes_back_is_not_waited_for_without_end(house: House):
    runs = 0

    async def handler(delivery: Delivery) -> None:
        nonlocal runs
        runs += 1
        raise Unavailable("the platform is away")

    await house.tell("lost")
    house.hire(handler, sleep=lambda seconds: asyncio.sleep(0))
    await until(house.idle)
    assert runs == AWAY
    assert (await house.inbox.depth()).dead == 1


async def test_who_waits_for_one_platform_takes_no_place_of_another_and_holds_up_no_stop(house: House):
    away = asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == 0.5:
            away.set()
            await asyncio.Event().wait()
        await asyncio.sleep(seconds)

    async def handler(delivery: Delivery) -> None:
        if delivery.message.text == "stuck":
            raise Unavailable("the platform is away")
        await echo(delivery)

    await house.tell("stuck", conversation="a")
    task = house.hire(handler, sleep=sleep, CONCURRENCY="1", drain="1h")
    await asyncio.wait_for(away.wait(), 30)
    await house.tell("hello", conversation="b")
    await until(lambda: "hello" in house.platform.replies and house.platform.last("hello").ended)
    task.cancel()
    await asyncio.wait_for(asyncio.gather(task, return_exceptions=True), 30)
    (lease,) = await house.inbox.take("w2", count=1, block=1)
    assert (lease.message.text, lease.attempt, lease.away) == ("stuck", 2, 1)


async def test_a_message_that_was_taken_back_from_oneself_is_answered_by_the_later_attempt_alone(
    house: House,
):
    """The older attempt, which has lost its lease, ends only while the later one is under way."""
    older, later, gate = asyncio.Event(), asyncio.Event(), asyncio.Event()
    runs: list[int] = []

    async def handler(delivery: Delivery) -> None:
        runs.append(delivery.hold.attempt)
        if delivery.hold.attempt == 1:
            older.set()
            try:
                await asyncio.Event().wait()
            finally:
                await later.wait()
            return
        later.set()
        await gate.wait()
        await delivery.stopping.wait()
        await echo(delivery)

    async def sleep(seconds: float) -> None:
        if seconds == house.settings.lease / 3:
            await asyncio.Event().wait()  # nothing is renewed
        await asyncio.sleep(seconds)

    house.lend("300ms")
    message = await house.tell("mine")
    house.hire(handler, sleep=sleep)
    await asyncio.wait_for(older.wait(), 30)
    await asyncio.wait_for(later.wait(), 30)
    for _ in range(20):  # turns of the loop in which the older one ends
        await asyncio.sleep(0)
    gate.set()
    assert await house.inbox.withdraw("c", message.key) == "interrupted"
    await until(lambda: house.platform.last("mine").ended)
    await until(house.idle)
    assert runs == [1, 2]
    assert (await house.inbox.depth()).dead == 0


async def test_a_platform_that_is_away_for_a_moment_gets_its_answer_afterwards(house: House):
    house.platform.faults = [Unavailable("not now")]
    await house.tell("hello")
    house.hire(echo)
    await until(house.idle)
    assert house.platform.last("hello").text == "hello"
    assert [reply.abandoned for reply in house.platform.replies["hello"]] == [True, False]


async def test_a_place_that_is_gone_is_left_alone_and_the_lane_moves_on(house: House):
    house.platform.faults = [Gone("blocked")]
    await house.tell("to nobody")
    await house.tell("to somebody")
    house.hire(echo)
    await until(house.idle)
    assert len(house.platform.replies["to nobody"]) == 1
    assert house.platform.last("to somebody").text == "to somebody"


async def test_a_message_for_a_platform_that_is_not_here_does_not_go_round_for_ever(house: House):
    message = incoming("hello")
    other = Incoming(message.id, message.place.__class__("other", "bot", "x"), message.person, "hello")
    await house.inbox.accept("c", other)
    house.hire(echo)
    await until(house.idle)
    assert (await house.inbox.depth()).dead == 1


async def test_a_stop_lets_running_answers_finish(house: House):
    begun, gate = asyncio.Event(), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        begun.set()
        await gate.wait()
        await echo(delivery)

    task = house.hire(handler)
    await house.tell("hello")
    await asyncio.wait_for(begun.wait(), 30)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.wait_for(task, 30)
    assert await house.idle()


async def test_what_does_not_finish_in_time_is_given_back_without_counting_the_attempt(house: House):
    begun = asyncio.Event()

    async def endless(delivery: Delivery) -> None:
        begun.set()
        await asyncio.Event().wait()

    task = house.hire(endless, drain="0s")
    await house.tell("hello")
    await asyncio.wait_for(begun.wait(), 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert house.platform.last("hello").abandoned
    (lease,) = await house.inbox.take("w2", count=1, block=1)
    assert lease.attempt == 1


async def test_no_more_run_at_once_than_the_operator_allows(house: House):
    running, most = 0, 0
    full = asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 3:
            full.set()
        await asyncio.wait_for(full.wait(), 30)
        for _ in range(20):  # turns of the loop in which one too many would begin
            await asyncio.sleep(0)
        running -= 1
        await echo(delivery)

    for n in range(12):
        await house.tell(f"m{n}", conversation=f"c{n}")
    house.hire(handler, CONCURRENCY="3")
    await until(house.idle)
    assert most == 3


async def test_the_language_is_the_conversations_then_the_persons(house: House):
    async def handler(delivery: Delivery) -> None:
        await delivery.send(Text(delivery.language))
        await delivery.end()

    house.hire(handler)
    await house.tell("from the app", conversation="a", language="zh-TW")
    await Profiles(house.redis, house.keys).change("b", language="zh-Hans")
    await house.tell("chosen", conversation="b", language="en")
    await until(house.idle)
    assert house.platform.last("from the app").text == "zh-Hant"
    assert house.platform.last("chosen").text == "zh-Hans"
    assert (await Profiles(house.redis, house.keys).load("a")) == Profile()


async def test_a_text_that_an_app_has_split_is_one_question_and_nobody_waits_for_a_part_of_it(house: House):
    asked: list[str] = []

    async def handler(delivery: Delivery) -> None:
        asked.append(delivery.message.text)
        await echo(delivery)

    for n, text in enumerate(("one", "two", "three")):
        await house.inbox.accept("c", replace(incoming(text), sent_at=100 + n / 10))
    await house.tell("another", conversation="d")
    house.hire(handler)
    await until(house.idle)
    assert sorted(asked) == ["another", "one\ntwo\nthree"]
    assert house.platform.last("two").parts == house.platform.last("three").parts == [End()]


async def test_the_rest_of_a_long_text_is_waited_for_a_moment(house: House):
    waiting, came = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == PASTE_WAIT:
            waiting.set()
            await came.wait()
        else:
            await briefly(seconds)

    house.hire(echo, sleep=sleep)
    first = replace(incoming("x" * LONG_PASTE), sent_at=100)
    await house.inbox.accept("c", first)
    await asyncio.wait_for(waiting.wait(), 30)
    await house.inbox.accept("c", replace(incoming("the end"), sent_at=101))
    came.set()
    await until(house.idle)
    assert house.platform.last(f"{first.text}\nthe end").text.endswith("x\nthe end")


async def test_a_thread_has_the_choices_of_its_home_and_knows_what_was_said_before(house: House):
    heard: list[object] = []

    async def handler(delivery: Delivery) -> None:
        heard.extend((delivery.profile.role, delivery.shared, *await delivery.earlier()))
        await delivery.end()

    message = incoming("hello")
    message = replace(
        message, place=replace(message.place, chat="C", thread="7", kind="group", discussion=True)
    )
    await Profiles(house.redis, house.keys).change(home(message, "user"), role="chef")
    house.platform.before = [Said("Bob", "Lunch?")]
    house.hire(handler)
    await house.inbox.accept(scope(message, "user"), message)
    await until(house.idle)
    assert heard == ["chef", True, Said("Bob", "Lunch?")]


async def test_a_delivery_knows_the_form_in_which_its_platform_plays_speech(house: House):
    forms: list[str] = []

    async def handler(delivery: Delivery) -> None:
        forms.append(delivery.voice_form)
        await delivery.end()

    house.platform.voice_form = "amr"
    house.hire(handler)
    await house.inbox.accept("c", incoming("hello"))
    await until(house.idle)
    assert forms == ["amr"]


async def test_a_crash_amid_a_burst_leaves_it_one_question_and_what_came_later_another(house: House):
    for n, text in enumerate(("one", "two")):
        await house.inbox.accept("c", replace(incoming(text), sent_at=100 + n))
    (lease,) = await house.inbox.take("dead", count=1, block=0.1)
    lease = await house.inbox.join(lease)
    await house.inbox.finish(lease, "kept")
    await house.silence()
    await house.inbox.accept("c", replace(incoming("three"), sent_at=102))
    answered: list[tuple[str, str | None]] = []

    async def handler(delivery: Delivery) -> None:
        answered.append((delivery.message.text, delivery.hold.kept))
        await echo(delivery)

    house.hire(handler)
    await until(house.idle)
    assert answered == [("one\ntwo", "kept"), ("three", None)]


async def test_a_worker_that_cannot_renew_its_leases_ends_instead_of_letting_others_answer_twice(
    house: House,
):
    """A Redis user without the rights is no Redis that is away: going on would not help."""
    renewing = asyncio.Event()

    class Forbidden(Inbox):
        async def renew(self, leases: Iterable[Lease]) -> set[str]:
            renewing.set()
            raise NoPermissionError("this user has no permissions to run the 'xclaim' command")

    async def handler(delivery: Delivery) -> None:
        await asyncio.wait_for(renewing.wait(), 30)
        await echo(delivery)

    house.inbox = Forbidden(house.redis, house.keys, lease=house.settings.lease)
    await house.tell("hello")
    task = house.hire(handler)
    with pytest.raises(NoPermissionError):
        await asyncio.wait_for(asyncio.shield(task), 30)
    assert house.platform.last("hello").text == "hello"


class Drawer(Platform):
    """A platform that keeps something of people."""

    name = "test"
    voice_form = "mp3"

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[str] = []

    async def forget(self, place: Place, person: Person) -> None:
        self.forgotten.append(f"{person.id} in {place.chat}")


async def test_what_the_platform_keeps_is_forgotten_where_it_keeps_anything(house: House):
    async def handler(delivery: Delivery) -> None:
        await delivery.forget()
        await echo(delivery)

    house.platform = drawer = Drawer()
    message = await house.tell("forget me")
    house.hire(handler)
    await until(house.idle)
    assert drawer.forgotten == [f"{message.person.id} in {message.place.chat}"]


async def test_a_lease_that_was_long_in_coming_is_not_taken_for_a_fresh_one(house: House):
    """Redis has counted meanwhile, and somebody else may have the message."""
    ahead = 0.0
    house.lend("300ms")

    class Slow(Inbox):
        async def take(self, consumer: str, *, count: int, block: float) -> list[Lease]:
            nonlocal ahead
            leases = await super().take(consumer, count=count, block=block)
            ahead = 10 if leases else ahead
            return leases

    house.inbox = Slow(house.redis, house.keys, lease=house.settings.lease)
    worker = house.worker(
        echo, name="w1", alone=False, drain="5s", clock=lambda: asyncio.get_running_loop().time() + ahead
    )
    house.tasks.append(asyncio.create_task(worker.run()))
    await house.tell("hello")
    await until(house.idle)
    first, *later = house.platform.replies["hello"]
    assert (first.parts, first.abandoned) == ([], True)
    assert later[-1].text == "hello"
