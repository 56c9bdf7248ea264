"""The chat page for every reader: phones, the dark, keyboards, screen readers, Chinese, a password."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from adapters._language import column
from bot.api import Choices, End, Incoming, Option, Reply, Text
from bot.i18n import LANGUAGES
from tests.browser.conftest import House, Visit, Window, serving
from tests.browser.test_chat_page import MARKDOWN, answer, ask

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]

STATIC = Path(__file__).parents[2] / "adapters" / "web" / "static"
PHONE = {"viewport": {"width": 320, "height": 568}, "is_mobile": True, "has_touch": True}


async def background(page: Page) -> str:
    return await page.evaluate("getComputedStyle(document.body).backgroundColor")


async def test_a_phone_shows_everything_without_scrolling_sideways(house: House, visit: Visit):
    page = await (await visit(**PHONE)).open()

    async def wide(incoming: Incoming, reply: Reply) -> None:
        table = "|" + " a wide cell |" * 12 + "\n|" + "---|" * 12 + "\n|" + " a wide cell |" * 12
        await reply.send(Text(f"{MARKDOWN}\n\n```\n{'code ' * 60}\n```\n\n{table}\n\n{'word' * 100}"))
        await reply.send(Choices("Which?" * 30, (Option("A long label " * 8, "a"), Option("B", "b"))))
        await reply.send(End(offers=(Option("Retry", "/retry"),)))

    house.core.script = wide
    await ask(page, "unbroken" * 40)
    await expect(page.get_by_role("button", name="Retry")).to_be_visible()
    sideways = """() => [document.documentElement, document.body, document.getElementById("scroller")]
        .some((node) => node.scrollWidth > node.clientWidth)"""
    assert await page.evaluate(sideways) is False
    for name in ("New conversation", "Role", "Dark theme", "Send"):
        box = await page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert min(box["width"], box["height"]) >= 36
    assert (
        float(
            await page.evaluate("parseFloat(getComputedStyle(document.getElementById('question')).fontSize)")
        )
        >= 16
    )


async def test_the_box_grows_with_the_text_to_a_limit(house: House, visit: Visit):
    page = await (await visit()).open()
    box = page.get_by_role("textbox", name="Message")
    one = (await box.bounding_box())["height"]
    await box.fill("a\nb\nc")
    three = (await box.bounding_box())["height"]
    await box.fill("\n".join("line" for _ in range(100)))
    assert one < three < (await box.bounding_box())["height"] < 400
    await box.fill("")
    assert (await box.bounding_box())["height"] == one


async def test_dark_follows_the_system_until_the_reader_chooses(house: House, visit: Visit):
    window = await visit(color_scheme="dark")
    page = await window.open()
    dark = await background(page)
    toggle = page.get_by_role("button", name="Dark theme")
    await expect(toggle).to_have_attribute("aria-pressed", "true")
    await toggle.click()
    await expect(toggle).to_have_attribute("aria-pressed", "false")
    light = await background(page)
    assert light != dark
    await page.reload()
    assert await background(page) == light
    await toggle.click()
    await page.emulate_media(color_scheme="light")
    await expect(toggle).to_have_attribute("aria-pressed", "false")
    assert await background(page) == light


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_its_background(house: House, visit: Visit, scheme: str):
    """Contrast of at least 4.5 to 1 (https://www.w3.org/TR/WCAG22/#contrast-minimum)."""
    page = await (await visit(color_scheme=scheme)).open()
    await expect(page.get_by_role("button", name="Repeat: hello")).to_be_visible()
    contrasts = await page.evaluate(
        """() => {
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            const light = (name) => {
                const probe = document.body.appendChild(document.createElement("i"));
                probe.style.color = `var(--${name})`;
                canvas.fillStyle = getComputedStyle(probe).color;
                probe.remove();
                canvas.fillRect(0, 0, 1, 1);
                const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => linear(c / 255));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const pairs = [["ink", "paper"], ["faint", "paper"], ["faint", "soft"], ["faint", "sheet"],
                ["accent", "sheet"], ["accent", "paper"], ["accent-ink", "accent"], ["mine-ink", "mine"],
                ["warn-ink", "warn"], ["bad", "paper"], ["ink", "code"], ["faint", "code"]];
            return pairs.map(([text, ground]) => {
                const [low, high] = [light(text), light(ground)].sort((a, b) => a - b);
                return [`${text} on ${ground}`, (high + 0.05) / (low + 0.05)];
            });
        }"""
    )
    assert {pair: round(contrast, 2) for pair, contrast in contrasts if contrast < 4.5} == {}


async def test_everything_can_be_done_by_keyboard(house: House, visit: Visit):
    page = await (await visit()).open()
    box = page.get_by_role("textbox", name="Message")
    await expect(box).to_be_focused()
    await page.keyboard.type("one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Enter")
    await expect(answer(page)).to_contain_text("You said: one")
    assert house.core.texts == ["one\ntwo"]
    await expect(box).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await expect(box).to_have_value("one\ntwo")
    await box.fill("")
    await page.keyboard.type("/ne")
    await expect(page.get_by_role("option")).to_have_text(["/newBegin a new conversation"])
    await page.keyboard.press("Tab")
    await expect(box).to_have_value("/new ")
    await page.keyboard.press("Enter")
    await expect(page.locator(".exchange.command .said")).to_have_text("/new")


async def test_the_first_stop_of_the_keyboard_leads_to_the_box(house: House, visit: Visit):
    page = await (await visit(**PHONE)).open()
    await expect(page.get_by_role("button", name="Repeat: hello")).to_be_visible()
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the message box")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("textbox", name="Message")).to_be_focused()


async def test_the_list_of_commands_is_walked_by_arrows_and_closed_by_escape(house: House, visit: Visit):
    page = await (await visit()).open()
    box = page.get_by_role("textbox", name="Message")
    await expect(page.get_by_role("button", name="Repeat: hello")).to_be_visible()
    await page.keyboard.type("/")
    await expect(page.get_by_role("option")).to_have_count(4)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    chosen = page.get_by_role("option", selected=True)
    await expect(chosen).to_contain_text("/new")
    await expect(box).to_have_attribute("aria-activedescendant", await chosen.get_attribute("id"))
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await expect(box).to_have_value("/")
    await box.fill("/he")
    await page.get_by_role("option").click()
    await expect(box).to_have_value("/help ")
    await expect(box).to_be_focused()


async def test_enter_belongs_to_the_input_method_while_a_word_is_composed(house: House, visit: Visit):
    page = await (await visit()).open()
    box = page.get_by_role("textbox", name="Message")
    await box.focus()
    session = await page.context.new_cdp_session(page)
    await session.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    await session.send(
        "Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter, "windowsVirtualKeyCode": 229}
    )
    composing = """box => box.dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }))"""
    await box.evaluate(composing)
    await session.send("Input.insertText", {"text": "你好"})
    await expect(box).to_have_value("你好")
    assert house.core.heard == []
    await page.keyboard.press("Enter")
    await expect(answer(page)).to_contain_text("You said: 你好")
    assert house.core.texts == ["你好"]


@pytest.mark.parametrize(
    ("locale", "language", "placeholder"),
    [
        ("zh-CN", "zh-Hans", "写点什么…"),
        ("zh-TW", "zh-Hant", "寫點什麼…"),
        ("fr-FR", "en", "Write a message…"),
    ],
)
async def test_the_page_speaks_the_readers_language(
    house: House, visit: Visit, locale: str, language: str, placeholder: str
):
    page = await (await visit(locale=locale)).open()
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await expect(page.get_by_placeholder(placeholder)).to_be_visible()


async def test_a_chinese_page_is_chinese_throughout(house: House, visit: Visit):
    page = await (await visit(locale="zh-CN")).open()
    await expect(page.get_by_role("heading", name="想聊些什么？")).to_be_visible()
    await page.get_by_role("textbox", name="消息").fill("/")
    await expect(page.get_by_role("option").first).to_contain_text("我能做什么")
    await page.get_by_role("textbox", name="消息").fill("你好")
    await page.get_by_role("button", name="发送").click()
    last = page.get_by_role("group", name="回答", exact=True)
    await expect(last.get_by_role("button", name="复制回答")).to_be_visible()
    await expect(page.locator(".day")).to_have_text("今天")
    shown = await page.locator("body").inner_text()
    assert re.findall(r"[A-Za-z]{3,}", re.sub(r"You said|Parley|Enter|Shift", "", shown)) == []


async def test_the_page_speaks_the_language_that_the_bot_speaks(house: House, visit: Visit):
    page = await (await visit()).open()
    primaries, scripts, regions = ("en", "zh", "ZH", "cmn", "yue"), ("", "-Hans", "-hant"), ("", "-CN", "-HK")
    tags = [f"{primary}{script}{region}" for primary in primaries for script in scripts for region in regions]
    choose = "import('/static/words.js').then(({chooseLanguage}) => TAGS.map((tag) => chooseLanguage([tag])))"
    chosen = await page.evaluate(choose.replace("TAGS", str(tags)))
    assert chosen == [LANGUAGES[column(tag)] for tag in tags]


async def test_every_word_is_there_in_every_language(house: House, visit: Visit):
    page = await (await visit()).open()
    words = await page.evaluate("import('/static/words.js').then((module) => module.WORDS)")
    assert set(words) == {"en", "zh-Hans", "zh-Hant"}
    holes = {key: set(re.findall(r"\{\w+\}", text)) for key, text in words["en"].items()}
    for language in ("zh-Hans", "zh-Hant"):
        assert {key: set(re.findall(r"\{\w+\}", text)) for key, text in words[language].items()} == holes
    sources = [path.read_text() for path in STATIC.glob("*.*") if path.name != "words.js"]
    asked = r"""(?:\bsay\(|say: \(|data-(?:word|label|placeholder)=)["'](\w+)["']"""
    used = {key for source in sources for key in re.findall(asked, source)}
    assert used <= set(holes)
    assert {key for key in holes if not any(re.search(rf"\b{key}\b", source) for source in sources)} == set()


async def test_a_screen_reader_finds_its_way(house: House, visit: Visit):
    page = await (await visit()).open()
    house.core.script = offer_a_choice
    await ask(page, "Hello")
    await expect(page.get_by_role("button", name="Yes")).to_be_visible()
    await expect(page.locator("body")).to_match_aria_snapshot(
        """
        - link "Skip to the message box"
        - banner:
          - heading "Parley" [level=1]
          - button "New conversation"
          - button "Role"
          - button "Dark theme"
        - main:
          - log "Conversation":
            - paragraph: Today
            - article:
              - group "You":
                - paragraph: Hello
              - group "Answer":
                - paragraph: A thought.
                - paragraph: Shall I?
                - group "Shall I?":
                  - button "Yes"
                - button "Copy answer"
                - time
        - contentinfo:
          - textbox "Message"
          - button "Send" [disabled]
        - status: /Answer. A thought/
        """
    )


async def offer_a_choice(incoming: Incoming, reply: Reply) -> None:
    await reply.send(Text("A thought."))
    await reply.send(Choices("Shall I?", (Option("Yes", "yes"),)))
    await reply.send(End())


async def test_an_answer_is_announced_once_when_it_is_finished(house: House, visit: Visit):
    page = await (await visit()).open()
    await expect(page.get_by_role("log")).to_have_attribute("aria-live", "polite")
    await page.evaluate(
        """() => {
            window.announced = [];
            const note = () => window.announced.push(document.getElementById("status").textContent);
            new MutationObserver(note).observe(document.getElementById("status"), { childList: true });
        }"""
    )

    async def many(incoming: Incoming, reply: Reply) -> None:
        for i in range(30):
            await reply.send(Text(f"{i} "))
        await reply.send(End())

    house.core.script = many
    await ask(page, "Count")
    await expect(page.get_by_role("status")).to_contain_text("29")
    assert len(await page.evaluate("window.announced")) == 1
    assert await page.locator(".exchange:not([aria-live=off])").count() == 0


async def test_reduced_motion_is_respected(house: House, visit: Visit):
    page = await (await visit(reduced_motion="reduce")).open()
    await ask(page, "Still")
    await expect(answer(page)).to_contain_text("You said: Still")
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_paper_shows_the_conversation_and_nothing_else(house: House, visit: Visit):
    page = await (await visit(color_scheme="dark")).open()
    await ask(page, "For the record")
    await expect(answer(page)).to_contain_text("You said: For the record")
    await page.emulate_media(media="print")
    await expect(answer(page).get_by_text("You said: For the record")).to_be_visible()
    await expect(page.locator("#composer")).to_be_hidden()
    await expect(page.get_by_role("button")).to_have_count(0)


async def test_a_password_opens_the_chat(browser: Browser, redis_url: str, prefix: str):
    async with serving(House(redis_url, prefix, password="open sesame")) as house:
        window = Window(await browser.new_context(viewport={"width": 800, "height": 600}), house.url)
        window.tolerated = "status of 40[13]"
        page = await window.open()
        await page.get_by_label("Password").fill("friend")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Password").fill("open sesame")
        await page.get_by_role("button", name="Enter").click()
        await ask(page, "Hello")
        await expect(answer(page)).to_contain_text("You said: Hello")
        await window.context.close()
        window.check()
