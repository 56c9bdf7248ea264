"""A person at the chat page: asking, reading, choosing, stopping."""

from __future__ import annotations

import asyncio
import base64
import re

import pytest
from playwright.async_api import Locator, Page, expect

from bot.api import Choices, End, Incoming, Media, Notice, Option, Reply, Status, Text
from tests.browser.conftest import House, Visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MARKDOWN = """# Planets

Two of **eight**, and `one` star.

| Planet | Moons |
|---|--:|
| Earth | 1 |

- first
- second

```python
def moons(planet):
    return 1 < 2
```

[A page](https://example.org) ![A picture](https://example.org/x.png)
"""


class Slow:
    """A script that says `first`, and `rest` once `go` is set, and offers another answer."""

    def __init__(self, first: str, rest: str) -> None:
        self.first = first
        self.rest = rest
        self.go = asyncio.Event()

    async def __call__(self, incoming: Incoming, reply: Reply) -> None:
        await reply.send(Status("thinking"))
        await reply.send(Text(self.first))
        await self.go.wait()
        await reply.send(Text(self.rest))
        await reply.send(End(None, (Option("Retry", "/retry"),)))


async def ask(page: Page, text: str) -> None:
    """Write a message and send it by Enter."""
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")


def answer(page: Page) -> Locator:
    """The last answer on the page."""
    return page.get_by_role("group", name="Answer", exact=True).last


async def test_an_answer_shows_while_it_is_being_written(house: House, visit: Visit):
    page = await (await visit()).open()
    slow = house.core.script = Slow("The first words", " and the last.")
    await ask(page, "Tell me")
    await expect(answer(page)).to_contain_text("The first words")
    await expect(answer(page)).to_have_attribute("aria-busy", "true")
    await expect(page.get_by_role("button", name="Copy answer")).to_be_hidden()
    slow.go.set()
    await expect(answer(page).locator(".text")).to_have_text("The first words and the last.")
    await expect(answer(page)).to_have_attribute("aria-busy", "false")


async def test_the_page_says_what_the_bot_is_doing(house: House, visit: Visit):
    page = await (await visit()).open()
    go = asyncio.Event()

    async def draw(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Status("drawing"))
        await go.wait()
        await reply.send(Media("image", "image/png", DOT, "A dot"))
        await reply.send(Media("file", "text/plain", b"hello", "words.txt"))
        await reply.send(End())

    house.core.script = draw
    await ask(page, "Draw a dot")
    await expect(page.get_by_text("Drawing…")).to_be_visible()
    go.set()
    picture = page.get_by_role("img", name="A dot")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    async with page.expect_download() as download:
        await page.get_by_role("link", name="words.txt").click()
    assert (await download.value).suggested_filename == "words.txt"
    await expect(page.get_by_text("Drawing…")).to_be_hidden()


async def test_markdown_is_rendered_and_code_can_be_copied(house: House, visit: Visit):
    window = await visit(permissions=["clipboard-read", "clipboard-write"])
    page = await window.open()

    async def write(incoming: Incoming, reply: Reply) -> None:
        for i in range(0, len(MARKDOWN), 7):
            await reply.send(Text(MARKDOWN[i : i + 7]))
        await reply.send(End())

    house.core.script = write
    await ask(page, "Planets?")
    await expect(answer(page).get_by_role("heading", name="Planets")).to_be_visible()
    await expect(answer(page).get_by_role("cell", name="Earth")).to_be_visible()
    await expect(answer(page).get_by_role("listitem")).to_have_text(["first", "second"])
    await expect(answer(page).get_by_role("link", name="A page")).to_have_attribute(
        "rel", re.compile("noopener")
    )
    await expect(answer(page).get_by_role("link", name="A picture")).to_be_visible()
    await expect(answer(page).locator(".code-language")).to_have_text("python")
    await answer(page).get_by_role("button", name="Copy", exact=True).click()
    await expect(answer(page).get_by_role("button", name="Copied")).to_be_visible()
    copied = "navigator.clipboard.readText()"
    assert await page.evaluate(copied) == "def moons(planet):\n    return 1 < 2\n"
    await answer(page).get_by_role("button", name="Copy answer").click()
    await expect(answer(page).get_by_role("button", name="Copied")).to_have_count(2)
    assert await page.evaluate(copied) == MARKDOWN


@pytest.mark.parametrize("way", ["button", "Escape"])
async def test_a_running_answer_can_be_stopped(house: House, visit: Visit, way: str):
    page = await (await visit()).open()

    async def endless(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text("On and on"))
        await house.core.stopping.wait()
        await reply.send(End(offers=(Option("Retry", "/retry"),)))

    house.core.script = endless
    stop = page.get_by_role("button", name="Stop")
    await expect(stop).to_be_hidden()
    await ask(page, "Do not end")
    await expect(answer(page)).to_contain_text("On and on")
    if way == "button":
        await stop.click()
    else:
        await page.keyboard.press("Escape")
    await expect(stop).to_be_hidden()
    assert house.core.texts == ["Do not end", "/stop"]


async def test_the_last_answer_offers_what_can_be_done_next(house: House, visit: Visit):
    page = await (await visit()).open()

    async def offering(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text(f"Attempt {len(house.core.heard)}"))
        await reply.send(End(offers=(Option("Retry", "/retry"),)))

    house.core.script = offering
    await ask(page, "Try")
    await page.get_by_role("button", name="Retry").click()
    await expect(answer(page)).to_contain_text("Attempt 2")
    await expect(page.get_by_role("button", name="Retry")).to_have_count(1)
    assert house.core.texts == ["Try", "/retry"]


async def test_a_new_conversation_is_one_click_away_and_stays_a_quiet_line(house: House, visit: Visit):
    page = await (await visit()).open()

    async def forget(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Notice("forgotten", text="A new conversation begins."))
        await reply.send(End())

    await ask(page, "Hello")
    await expect(answer(page)).to_contain_text("You said: Hello")
    house.core.script = forget
    await page.get_by_role("button", name="New conversation").click()
    await expect(answer(page)).to_contain_text("A new conversation begins.")
    assert house.core.heard[-1].addressed == "command"
    await expect(page.locator(".exchange.command .said")).to_have_text("/new")


async def test_roles_are_chosen_by_a_button(house: House, visit: Visit):
    page = await (await visit()).open()

    async def roles(incoming: Incoming, reply: Reply) -> None:
        if incoming.text == "/role":
            options = (Option("Assistant", "/role assistant"), Option("Pirate", "/role pirate"))
            await reply.send(Choices("Who shall I be?", options))
        else:
            await reply.send(Notice("role", text="Arr."))
        await reply.send(End())

    house.core.script = roles
    await page.get_by_role("button", name="Role", exact=True).click()
    await page.get_by_role("group", name="Who shall I be?").get_by_role("button", name="Pirate").click()
    await expect(answer(page)).to_contain_text("Arr.")
    assert house.core.texts == ["/role", "/role pirate"]
    said = page.locator(".exchange.command .said")
    await expect(said).to_have_text(["/role", "Pirate"])  # not what the button sends, which may be a code
    await page.reload()
    await expect(said).to_have_text(["/role", "Pirate"])


async def test_an_empty_conversation_shows_how_to_begin(house: House, visit: Visit):
    page = await (await visit()).open()
    await expect(page.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    await page.get_by_role("button", name="Repeat: hello").click()
    await expect(answer(page)).to_contain_text("You said: Repeat: hello")
    await expect(page.get_by_role("heading", name="What shall we talk about?")).to_be_hidden()


async def test_a_second_attempt_takes_the_place_of_the_first(house: House, visit: Visit):
    page = await (await visit()).open()
    broken = asyncio.Event()

    async def twice(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text("Half of an"))
        await broken.wait()
        again = house.web.reply(incoming, SecondAttempt())
        await again.send(Text("The whole answer"))
        await again.send(End())

    house.core.script = twice
    await ask(page, "Go")
    await expect(answer(page)).to_contain_text("Half of an")
    broken.set()
    await expect(answer(page).locator(".text")).to_have_text("The whole answer")


class SecondAttempt:
    """A journal of an attempt after a crash."""

    attempt = 2
    posts = ()

    async def posted(self, post: str) -> None:
        """Nothing asks for it."""


async def test_a_reader_who_scrolled_up_stays_there_until_asked_back(house: House, visit: Visit):
    page = await (await visit()).open()
    slow = house.core.script = Slow("Line\n\n" * 60, "The very end")
    await ask(page, "Much")
    await expect(answer(page).get_by_text("Line")).to_have_count(60)
    await expect(page.get_by_role("button", name="Jump to the latest")).to_be_hidden()
    await page.evaluate("document.getElementById('scroller').scrollTop -= 400")
    jump = page.get_by_role("button", name="Jump to the latest")
    await expect(jump).to_be_visible()
    place = await page.evaluate("document.getElementById('scroller').scrollTop")
    slow.go.set()
    await expect(answer(page)).to_contain_text("The very end")
    assert await page.evaluate("document.getElementById('scroller').scrollTop") == place
    await jump.click()
    await expect(answer(page).get_by_text("The very end")).to_be_in_viewport()
    await expect(jump).to_be_hidden()


async def test_only_changed_blocks_are_touched_while_an_answer_grows(house: House, visit: Visit):
    page = await (await visit()).open()
    slow = house.core.script = Slow("One.\n\nTwo.\n\n```python\nx = 1\n", "y = 2\n```\n\nThree.")
    await ask(page, "Blocks")
    await expect(answer(page).locator("code")).to_have_text("x = 1\n")
    await answer(page).locator(".text > *").evaluate_all("nodes => nodes.forEach(node => node.kept = true)")
    slow.go.set()
    await expect(answer(page)).to_contain_text("Three.")
    await expect(answer(page).locator("code")).to_have_text("x = 1\ny = 2\n")
    kept = (
        await answer(page).locator(".text > *").evaluate_all("nodes => nodes.map(node => node.kept === true)")
    )
    assert kept == [True, True, True, False]


async def test_a_refused_message_stays_with_the_reason_and_can_be_sent_again(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "status of 429"
    page = await window.open()
    house.core.busy = 1
    await ask(page, "Now please")
    reason = page.get_by_role("log").get_by_text("Please wait for the answer to your last messages.")
    await expect(reason).to_be_visible()
    await page.get_by_role("button", name="Send again").click()
    await expect(answer(page)).to_contain_text("You said: Now please")
    await expect(reason).to_have_count(0)
    assert house.core.texts == ["Now please"]


async def test_a_refused_message_can_be_taken_back_and_changed(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "status of 429"
    page = await window.open()
    house.core.busy = 1
    await ask(page, "Now")
    await page.get_by_role("button", name="Edit").click()
    await expect(page.locator(".said")).to_have_count(0)
    await page.keyboard.type(" or later")
    await page.keyboard.press("Enter")
    await expect(answer(page)).to_contain_text("You said: Now or later")
    assert house.core.texts == ["Now or later"]


async def test_a_message_that_is_too_long_is_counted_and_not_sent(house: House, visit: Visit):
    page = await (await visit()).open()
    box = page.get_by_role("textbox", name="Message")
    await box.fill("😀" * 32_000)
    await expect(page.get_by_role("button", name="Send")).to_be_enabled()
    await box.fill("😀" * 32_001)
    await expect(page.get_by_text("32,001 of 32,000 characters")).to_be_visible()
    await expect(page.get_by_role("button", name="Send")).to_be_disabled()
    await page.keyboard.press("Enter")
    await box.fill("short")
    await page.keyboard.press("Enter")
    await expect(answer(page)).to_contain_text("You said: short")
    assert house.core.texts == ["short"]


SCRIPT = '<img src=x onerror="window.hit=1"><script>window.hit=1</script><b>bold</b>'


async def test_script_in_a_question_an_answer_or_a_notice_stays_text(house: House, visit: Visit):
    page = await (await visit()).open()

    async def hostile(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text(f"{SCRIPT}\n\n[click](javascript:window.hit=1) ```{SCRIPT}```"))
        await reply.send(Notice("x", text=f"Notice {SCRIPT}"))
        await reply.send(Choices(f"Choose {SCRIPT}", (Option(f"Label {SCRIPT}", "x"),)))
        await reply.send(End(offers=(Option(f"Offer {SCRIPT}", "y"),)))

    house.core.script = hostile
    await ask(page, SCRIPT)
    await expect(page.get_by_role("button", name=f"Offer {SCRIPT}")).to_be_visible()
    for _ in range(2):
        await expect(page.locator(".said")).to_have_text(SCRIPT)
        await expect(page.get_by_role("log").get_by_text(f"Notice {SCRIPT}")).to_be_visible()
        # The page's own picture in the making is empty until there is one.
        own = ".glimpse > img:not([src], [onerror])"
        strange = f"#log :is(img, script, b, [onerror], [href^='javascript:']):not({own})"
        assert await page.locator(strange).count() == 0
        assert await page.evaluate("window.hit") is None
        await page.reload()
        await expect(page.get_by_role("button", name=f"Label {SCRIPT}")).to_be_visible()


async def test_what_is_part_of_one_question_has_no_empty_answer_of_its_own(house: House, visit: Visit):
    page = await (await visit()).open()
    slow = house.core.script = Slow("Both", " of them.")
    house.core.joined = {"and two"}
    await ask(page, "one")
    await expect(answer(page)).to_contain_text("Both")
    await ask(page, "and two")
    await expect(answer(page)).to_have_attribute("aria-busy", "false")
    slow.go.set()
    await expect(page.get_by_text("Both of them.", exact=True)).to_be_visible()
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()
    await expect(page.locator("p:visible", has_text="There was no answer.")).to_have_count(0)
    await page.reload()
    await expect(page.get_by_text("Both of them.", exact=True)).to_be_visible()
    await expect(page.locator("p:visible", has_text="There was no answer.")).to_have_count(0)


async def test_a_command_that_gets_no_answer_leaves_nothing_on_the_page(house: House, visit: Visit):
    page = await (await visit()).open()
    house.core.silent = {"/stop"}
    await ask(page, "hello")
    await expect(answer(page).locator(".text")).to_have_text("You said: hello")
    await ask(page, "/stop")
    await expect(page.get_by_role("article")).to_have_count(1)
    await expect(page.get_by_role("button", name="Stop", exact=True)).to_be_hidden()


async def test_what_was_forgotten_goes_from_the_page(house: House, visit: Visit):
    async def forgets(incoming: Incoming, reply: Reply) -> None:
        if incoming.text == "/forget":
            await reply.send(Notice("forget.done", text="Nothing is kept."))
        else:
            await reply.send(Text("I hear."))
        await reply.send(End())

    page = await (await visit()).open()
    house.core.script = forgets
    await ask(page, "My word is violet")
    await expect(answer(page).locator(".text")).to_have_text("I hear.")
    await ask(page, "/forget")
    await expect(page.get_by_text("Nothing is kept.", exact=True)).to_be_visible()
    await expect(page.get_by_text("My word is violet")).to_have_count(0)
