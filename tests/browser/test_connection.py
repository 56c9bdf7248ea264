"""The chat page when pages are reloaded, opened twice, and cut off."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import House, Visit, Window, serving
from tests.browser.test_chat_page import Slow, answer, ask
from tests.conftest import Server

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]

LOST = "ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|ERR_SOCKET|status of 503"


async def test_a_reload_in_the_middle_of_an_answer_goes_on_where_it_was(house: House, visit: Visit):
    page = await (await visit()).open()
    slow = house.core.script = Slow("# Half\n\nof it", " and the *rest*.\n\nEnd.")
    await ask(page, "Tell me")
    await expect(answer(page)).to_contain_text("of it")
    await page.reload()
    await expect(answer(page)).to_contain_text("of it")
    slow.go.set()
    await expect(answer(page).locator(".text > *")).to_have_text(["Half", "of it and the rest.", "End."])


async def test_two_tabs_show_the_same(house: House, visit: Visit):
    window = await visit()
    first = await window.open()
    await expect(first.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    second = await window.open()
    slow = house.core.script = Slow("Both see", " this.")
    await ask(first, "Who sees?")
    await expect(answer(second)).to_contain_text("Both see")
    slow.go.set()
    for tab in (first, second):
        await expect(tab.locator(".said")).to_have_text(["Who sees?"])
        await expect(answer(tab).locator(".text")).to_have_text("Both see this.")


async def test_another_visitor_sees_nothing_of_it(house: House, visit: Visit):
    mine = await (await visit()).open()
    await ask(mine, "A secret")
    await expect(answer(mine)).to_contain_text("You said: A secret")
    theirs = await (await visit()).open()
    await expect(theirs.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    await expect(theirs.get_by_text("A secret")).to_have_count(0)


async def test_a_lost_connection_is_told_and_what_came_meanwhile_is_shown(house: House, visit: Visit):
    window = await visit()
    window.tolerated = LOST
    page = await window.open()
    slow = house.core.script = Slow("Before", ", and after.")
    await ask(page, "Go on")
    await expect(answer(page)).to_contain_text("Before")
    await house.cut()
    banner = page.get_by_role("alert").filter(has_text="The connection is interrupted")
    await expect(banner).to_be_visible()
    slow.go.set()
    await house.open()
    await expect(answer(page).locator(".text")).to_have_text("Before, and after.")
    await expect(banner).to_be_hidden()


async def test_a_short_interruption_goes_unnoticed(house: House, visit: Visit):
    window = await visit()
    window.tolerated = LOST
    page = await window.open()
    slow = house.core.script = Slow("Before", ", and after.")
    await ask(page, "Go on")
    await expect(answer(page)).to_contain_text("Before")
    await page.evaluate(
        """() => {
            window.told = false;
            const note = () => { window.told ||= !document.getElementById("banner").hidden; };
            new MutationObserver(note).observe(document.getElementById("banner"), { attributes: true });
        }"""
    )
    house.hiccup()
    slow.go.set()
    await expect(answer(page).locator(".text")).to_have_text("Before, and after.")
    assert await page.evaluate("window.told") is False


async def test_what_is_written_while_the_server_is_away_is_sent_once_and_in_order(house: House, visit: Visit):
    window = await visit()
    window.tolerated = LOST
    page = await window.open()
    await expect(page.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    await house.cut()
    await ask(page, "First")
    await expect(page.get_by_text("Waiting for the connection…")).to_be_visible()
    await ask(page, "Second")
    await house.open()
    await expect(answer(page)).to_contain_text("You said: Second")
    await expect(page.locator(".said")).to_have_text(["First", "Second"])
    await expect(page.get_by_text("Waiting for the connection…")).to_have_count(0)
    assert house.core.texts == ["First", "Second"]


async def test_an_answer_to_a_send_that_is_lost_does_not_make_two_messages(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "ERR_FAILED"
    page = await window.open()
    lost = []

    async def lose_the_first(route):
        if lost:
            await route.continue_()
        else:
            lost.append(await route.fetch())
            await route.abort()

    await page.route("**/api/messages", lose_the_first)
    await ask(page, "Once")
    await expect(answer(page)).to_contain_text("You said: Once")
    await expect(page.locator(".delivery")).to_be_empty()
    assert house.core.texts == ["Once"]
    await expect(page.locator(".said")).to_have_count(1)


async def test_an_unsent_message_and_a_draft_survive_a_reload(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "ERR_FAILED"
    page = await window.open()
    await page.route("**/api/messages", lambda route: route.abort())
    await ask(page, "Keep me")
    await expect(page.get_by_text("Waiting for the connection…")).to_be_visible()
    await page.get_by_role("textbox", name="Message").fill("and this draft")
    await page.unroute("**/api/messages")
    await page.reload()
    await expect(answer(page)).to_contain_text("You said: Keep me")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("and this draft")
    assert house.core.texts == ["Keep me"]


async def test_while_the_store_is_away_the_page_says_so_and_sends_later(
    browser: Browser, private_server: Server, prefix: str
):
    async with serving(House(private_server.url, prefix)) as house:
        window = Window(await browser.new_context(), house.url)
        window.tolerated = LOST
        page = await window.open()
        await ask(page, "One")
        await expect(answer(page)).to_contain_text("You said: One")
        await expect(page.get_by_role("button", name="Copy answer")).to_be_visible()  # the answer has ended
        private_server.stop()
        banner = page.get_by_role("alert").filter(has_text="The connection is interrupted")
        await expect(banner).to_be_visible()
        await ask(page, "Two")
        await expect(page.get_by_text("Waiting for the connection…")).to_be_visible()
        private_server.start()
        await expect(answer(page)).to_contain_text("You said: Two")
        await expect(banner).to_be_hidden()
        await expect(page.locator(".said")).to_have_text(["One", "Two"])
        await window.context.close()
        window.check()


async def test_when_the_session_has_ended_a_new_one_begins_and_has_what_was_written(
    house: House, visit: Visit
):
    window = await visit()
    window.tolerated = "status of 401"
    page = await window.open()
    await expect(page.get_by_role("heading", name="What shall we talk about?")).to_be_visible()
    await window.context.clear_cookies()
    await ask(page, "Still here")
    await expect(answer(page)).to_contain_text("You said: Still here")
    assert house.core.texts == ["Still here"]
