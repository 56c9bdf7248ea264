"""A reply that is still being written: pace, exactness, splitting, and a second attempt after any crash."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters._draft import Draft, Later, Ledger, Missing, NoPreview, Stage
from adapters._split import Tail, divide
from bot.api import Gone, Unavailable
from tests.adapters.memory_store import MemoryJournal

LIMIT = 200


class Crash(BaseException):
    """The process dies."""


class Time:
    """A clock that `sleep` moves on, letting everything else run first."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class Wall:
    """Posts that everybody sees. `faults` are raised by the next calls, None passes; `dies_at` counts calls."""

    limit = LIMIT

    def __init__(self, time: Time | None = None, *, previews: bool = False) -> None:
        self.previews = previews
        self.time = time or Time()
        self.seen: dict[str, str] = {}
        self.calls: list[tuple[str, str, float]] = []
        self.faults: list[BaseException | None] = []
        self.dies_at = -1
        self.previewed = ""
        self.unknown: set[str] = set()  # posts of an earlier attempt: what they show is not in the journal
        self._count = 0

    def fits(self, text: str) -> bool:
        return len(text) <= LIMIT

    async def post(self, text: str, stage: Stage) -> str:
        self._call(f"post:{stage}", text)
        self._count += 1
        self.seen[name := f"p{self._count}"] = text
        await asyncio.sleep(0)
        return name

    async def edit(self, post: str, text: str, stage: Stage) -> None:
        self._call(f"edit:{stage}", text)
        if post not in self.seen:
            raise Missing(post)
        assert post in self.unknown or self.seen[post] != text, "edited to the same text"
        self.unknown.discard(post)
        await asyncio.sleep(0)
        self.seen[post] = text

    async def preview(self, text: str) -> None:
        self._call("preview", text)
        self.previewed = text

    async def remove(self, post: str) -> None:
        self._call("remove", post)
        self.seen.pop(post, None)

    def editable(self, post: str) -> bool:
        return post.startswith("p")

    def kinds(self) -> list[str]:
        """The calls in order."""
        return [kind for kind, _, _ in self.calls]

    def _call(self, kind: str, text: str) -> None:
        if self.dies_at == len(self.calls):
            raise Crash
        self.calls.append((kind, text, self.time.now))
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        if kind != "remove":
            assert text.strip(), "an empty post"
            assert self.fits(text), "a post beyond the limit"


def draft(wall: Wall, journal: MemoryJournal | None = None, **options: float) -> tuple[Draft, Ledger]:
    ledger = Ledger(journal or MemoryJournal(), wall)
    return (
        Draft(wall, ledger, clock=wall.time, sleep=wall.time.sleep, **({"pace": 1.0} | options)),
        ledger,
    )


async def settle() -> None:
    """Let the background run as far as it can without time passing by itself."""
    for _ in range(30):
        await asyncio.sleep(0)


async def say(wall: Wall, deltas: Sequence[str], journal: MemoryJournal | None = None) -> None:
    """A whole answer; now and then the background gets a turn."""
    written, ledger = draft(wall, journal)
    for delta in deltas:
        written.add(delta)
        if len(delta) % 2:
            await settle()
    await written.finish()
    await ledger.clear()


class Held(Time):
    """A clock whose sleepers wait until the test lets time pass."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((self.now + seconds, future))
        await future

    async def go(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.now += seconds
        for until, future in self._waiting:
            if until <= self.now + 1e-9 and not future.done():
                future.set_result(None)
        await settle()


# --- pace ----------------------------------------------------------------------------------------------------


async def test_the_first_words_are_posted_at_once() -> None:
    wall = Wall(Held())
    written, _ = draft(wall)
    written.add("Hel")
    await settle()
    assert wall.calls == [("post:growing", "Hel", 0.0)]


async def test_a_platform_may_gather_the_first_words_but_not_for_long() -> None:
    time = Held()
    wall = Wall(time)
    written, _ = draft(wall, gather=0.2)
    written.add("Hel")
    await settle()
    assert wall.calls == []
    written.add("lo, this is enough to be worth a post.")
    await settle()
    assert wall.kinds() == ["post:growing"]

    other, _ = draft(wall, gather=0.2)
    other.add("Hm")
    await settle()
    await time.go(0.2)
    assert wall.calls[-1][:2] == ("post:growing", "Hm")


async def test_many_words_make_one_edit_for_each_pace() -> None:
    time = Held()
    wall = Wall(time)
    written, _ = draft(wall)
    for n in range(100):
        written.add(f"{n} ")
        await time.go(0.1)
    assert len(wall.calls) <= 11
    moments = [at for _, _, at in wall.calls]
    assert min(b - a for a, b in pairwise(moments)) >= 0.999
    await written.finish()
    assert " ".join(wall.seen.values()) == " ".join(map(str, range(100)))


async def test_add_never_waits_and_the_end_does_not_wait_for_the_pace() -> None:
    wall = Wall(Held())
    written, _ = draft(wall)
    written.add("one")
    await settle()
    written.add(" two")
    await settle()
    await written.finish()
    assert wall.calls == [("post:growing", "one", 0.0), ("edit:last", "one two", 0.0)]


async def test_unchanged_text_is_not_edited_again() -> None:
    wall = Wall()
    written, _ = draft(wall)
    written.add("all of it")
    await settle()
    await written.finish()
    assert wall.kinds() == ["post:growing"]


async def test_nothing_is_left_running_when_an_answer_is_given_up() -> None:
    wall = Wall()
    written, _ = draft(wall)
    written.add("half an ans")
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- faults --------------------------------------------------------------------------------------------------


async def test_a_growing_edit_that_must_wait_is_dropped_and_the_final_one_waits() -> None:
    time = Held()
    wall = Wall(time)
    written, _ = draft(wall)
    written.add("one")
    await settle()
    wall.faults = [Later(60)]
    await time.go(1)
    written.add(" two")
    await settle()
    written.add(" three")
    await time.go(30)
    assert wall.seen == {"p1": "one"}
    wall.faults = [Later(30)]
    finishing = asyncio.create_task(written.finish())
    await settle()
    assert not finishing.done()
    await time.go(30)
    await finishing
    assert wall.seen == {"p1": "one two three"}


async def test_a_platform_that_asks_for_an_hour_is_tried_again_later() -> None:
    wall = Wall()
    written, _ = draft(wall)
    wall.faults = [Later(3600)]
    written.add("one")
    await settle()
    wall.faults = [Later(3600)]
    with pytest.raises(Unavailable):
        await written.finish()


async def test_a_growing_edit_may_fail_without_harm() -> None:
    wall = Wall()
    written, _ = draft(wall)
    written.add("one")
    await settle()
    wall.faults = [Unavailable("a hiccup")]
    written.add(" two")
    await settle()
    written.add(" three")
    await written.finish()
    assert wall.seen == {"p1": "one two three"}


@pytest.mark.parametrize("fault", [Gone("blocked"), Unavailable("away")])
async def test_what_fails_in_the_background_is_raised_by_the_next_words(fault: Exception) -> None:
    wall = Wall()
    wall.faults = [fault]
    written, _ = draft(wall)
    written.add("one")
    await settle()
    with pytest.raises(type(fault)):
        written.add(" two")


async def test_the_end_raises_too() -> None:
    wall = Wall()
    written, _ = draft(wall)
    written.add("one")
    await settle()
    written.add(" two")
    wall.faults = [Gone("blocked")] * 2
    with pytest.raises(Gone):
        await written.finish()


async def test_a_post_that_was_deleted_meanwhile_is_made_again() -> None:
    wall = Wall()
    written, _ = draft(wall)
    written.add("one")
    await settle()
    wall.seen.clear()
    written.add(" two")
    await written.finish()
    assert list(wall.seen.values()) == ["one two"]


async def test_a_post_under_way_is_noted_even_when_the_end_is_cancelled() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    class Slow(Wall):
        async def post(self, text: str, stage: Stage) -> str:
            entered.set()
            await release.wait()
            return await super().post(text, stage)

    journal = MemoryJournal()
    written, _ = draft(Slow(), journal, gather=1.0)
    written.add("x" * 15)
    finishing = asyncio.create_task(written.finish())
    await entered.wait()
    finishing.cancel()
    await settle()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    assert journal.posts == ["p1"]


# --- previews ------------------------------------------------------------------------------------------------


async def test_previews_grow_and_only_the_whole_text_is_posted() -> None:
    wall = Wall(previews=True)
    journal = MemoryJournal()
    written, _ = draft(wall, journal)
    written.add("one")
    await settle()
    assert (wall.previewed, wall.seen, journal.posts) == ("one", {}, [])
    written.add(" two")
    await written.finish()
    assert (wall.seen, journal.posts) == ({"p1": "one two"}, ["p1"])


async def test_a_full_part_becomes_a_post_while_the_next_one_is_previewed() -> None:
    wall = Wall(previews=True)
    written, _ = draft(wall)
    written.add("a" * 150 + "\n\n")
    await settle()
    written.add("b" * 150)
    await settle()
    assert wall.seen == {"p1": "a" * 150}
    assert wall.previewed == "b" * 150


async def test_refused_previews_give_way_to_edits() -> None:
    wall = Wall(previews=True)
    wall.faults = [NoPreview("not here")]
    written, _ = draft(wall)
    written.add("one")
    await settle()
    assert wall.seen == {"p1": "one"}


# --- splitting -----------------------------------------------------------------------------------------------


def parts(text: str, limit: int = LIMIT) -> list[str]:
    found, tail = [], Tail(text)
    while (cut := divide(tail, lambda part: len(part) <= limit, limit=limit)) is not None:
        found.append(cut[0])
        tail = cut[1]
    return [part for part in [*found, tail.shown] if part]


def test_paragraphs_come_before_lines_before_sentences_before_words() -> None:
    assert parts("a" * 120 + "\n\nb b\nc c. " + "d" * 120)[0] == "a" * 120
    assert parts("a" * 120 + "\nb b. " + "d" * 120)[0] == "a" * 120
    assert parts("a" * 120 + ". b b " + "d" * 120)[0] == "a" * 120 + "."
    assert parts("a" * 120 + " " + "d" * 120)[0] == "a" * 120
    assert parts("字" * 120 + "。" + "字" * 120)[0] == "字" * 120 + "。"
    assert parts("d" * 300) == ["d" * 200, "d" * 100]


def test_a_fence_is_closed_and_opened_again_with_its_language() -> None:
    code = "\n".join(f"    line {n}" for n in range(40))
    found = parts(f"Look:\n\n```python\n{code}\n```\nDone.")
    assert len(found) > 2
    assert all(part.count("```") % 2 == 0 for part in found)
    assert all(part.startswith("```python\n    line") for part in found[1:-1])
    assert found[-1].endswith("\n```\nDone.")


def test_no_post_begins_a_fence_at_its_very_end_or_holds_an_empty_one() -> None:
    found = parts("a" * 190 + "\n```py\nx = 1\n" + "y" * 100 + "\n```\n")
    assert found[0] == "a" * 190
    exact = parts("```\n" + "x" * 190 + "\n```\n" + "after " * 10)
    assert exact == ["```\n" + "x" * 190 + "\n```", ("after " * 10).strip()]


def test_an_emoji_made_of_several_is_not_cut() -> None:
    family = "👨‍👩‍👧‍👦"
    assert all(part.count(family) * len(family) == len(part) for part in parts(family * 60))


_FENCES = re.compile(r"^[ \t]{0,12}(`{3,12}|~{3,12})([^`~\n]{0,32})$", re.MULTILINE)


def open_before(text: str, position: int) -> str:
    """The opening line of the fence that is open at `position`, or nothing. Written anew, as a check."""
    opened, marks = "", ""
    for line in _FENCES.finditer(text):
        if line.end() > position:
            break
        if not opened:
            opened, marks = line[0], line[1]
        elif line[1].startswith(marks) and not line[2].strip():
            opened = ""
    return opened


def read(posts: Sequence[str], text: str) -> int:
    """Read the posts as `text` with fences repaired; the position after the last. Fails where they differ."""
    position = 0
    for post in posts:
        opened = open_before(text, position)
        body = post
        if opened and body.startswith(opened + "\n"):
            body = body[len(opened) + 1 :]
        lines = body.split("\n")
        for candidate in (body, "\n".join(lines[:-1])):
            at = text.find(candidate, position) if candidate.strip() else -1
            if (
                _FENCES.fullmatch(lines[-1])
                and candidate == body
                and text[at + len(body) :][:1] not in ("", "\n")
            ):
                continue  # the closing line only looks like the beginning of what comes next in the text
            if at >= 0 and not re.sub(r"(?m)^\s*[`~]{3,}\s*$|\s", "", text[position:at]):
                break
        else:
            pytest.fail(f"{post!r} does not continue {text[position:]!r}")
        position = at + len(candidate)
    return position


def is_blank(text: str) -> bool:
    return not _FENCES.sub("", text).strip()


pieces = st.sampled_from(
    [
        "word ",
        "Sentence. ",
        "\n",
        "\n\n",
        "```\n",
        "```python\n",
        "\n```\n",
        "~~~\n",
        "    indented",
        "字。",
        "😀",
        "x" * 70,
        "y" * 250,
        "`code` ",
        "**bold** ",
        "- item\n",
    ]
)
texts = st.lists(pieces, max_size=30).map("".join)


def cuttings(text: str) -> st.SearchStrategy[list[str]]:
    borders = st.lists(st.integers(0, len(text)), max_size=12).map(sorted)
    return borders.map(
        lambda cuts: [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]
    )


answers = texts.flatmap(lambda text: st.tuples(st.just(text), cuttings(text)))


@given(texts)
@settings(max_examples=300, deadline=None)
def test_the_parts_of_any_text_are_the_text(text: str) -> None:
    found = parts(text)
    assert all(0 < len(part) <= LIMIT for part in found)
    assert is_blank(text[read(found, text) :])


@given(answers, st.integers(0, 30))
@settings(max_examples=300, deadline=None)
def test_after_a_crash_at_any_moment_the_second_attempt_leaves_the_text_once(
    answer: tuple[str, list[str]], dies_at: int
) -> None:
    text, deltas = answer

    async def twice() -> Wall:
        wall, journal = Wall(), MemoryJournal()
        wall.dies_at = dies_at
        try:
            await say(wall, deltas, journal)
        except Crash:
            wall.dies_at = -1
            await settle()
            wall.unknown = set(wall.seen)
            await say(wall, deltas, MemoryJournal(2, journal.posts))
        return wall

    wall = asyncio.run(twice())
    posts = [wall.seen[name] for name in sorted(wall.seen, key=lambda name: int(name[1:]))]
    assert is_blank(text[read(posts, text) :])


@given(answers, answers)
@settings(max_examples=150, deadline=None)
def test_a_second_attempt_may_say_something_else(
    first: tuple[str, list[str]], second: tuple[str, list[str]]
) -> None:
    async def twice() -> Wall:
        wall, journal = Wall(), MemoryJournal()
        written, _ = draft(wall, journal)
        for delta in first[1]:
            written.add(delta)
        await settle()
        wall.unknown = set(wall.seen)
        await say(wall, second[1], MemoryJournal(2, journal.posts))
        return wall

    wall = asyncio.run(twice())
    posts = [wall.seen[name] for name in sorted(wall.seen, key=lambda name: int(name[1:]))]
    assert is_blank(second[0][read(posts, second[0]) :])


# --- the ledger ----------------------------------------------------------------------------------------------


async def test_earlier_posts_are_used_again_in_order_and_what_is_left_goes() -> None:
    wall = Wall()
    wall.seen = {"p7": "old", "media": "picture", "p8": "old too", "p9": "surplus"}
    ledger = Ledger(MemoryJournal(2, ["p7", "media", "p8", "p9"]), wall)
    assert [ledger.again(), ledger.again()] == ["p7", "p8"]
    await ledger.clear()
    assert list(wall.seen) == ["p7", "p8"]
    assert ledger.again() is None


async def test_a_new_post_takes_away_the_earlier_ones_that_would_stand_above_it() -> None:
    wall = Wall()
    wall.seen = {"p7": "old", "p8": "old too"}
    journal = MemoryJournal(2, ["p7", "p8"])
    make: Callable[[], Awaitable[str]] = lambda: wall.post("new", "last")  # noqa: E731
    await Ledger(journal, wall).make(make)
    assert (list(wall.seen.values()), journal.posts) == (["new"], ["p7", "p8", "p1"])


def test_a_heading_stays_with_what_it_stands_over() -> None:
    tail = Tail(f"{'word ' * 30}\n\n## Next\n\n{'more ' * 30}")
    parts = divide(tail, lambda shown: len(shown) <= 200, limit=200)
    assert parts is not None
    assert parts[0].endswith("word")
    assert parts[1].shown.startswith("## Next\n\nmore")
