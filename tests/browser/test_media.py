"""Pictures, recordings and files on the page: in by drop, paste, button and microphone; out to be seen and heard."""

from __future__ import annotations

import asyncio
import os
import re
import struct
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from adapters._shelf import LIMIT
from bot.api import End, Incoming, Media, Preview, Reply, Status, Text
from tests.browser.conftest import House, Visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.asyncio(loop_scope="module"),
]


def picture(width: int = 320, height: int = 200) -> bytes:
    """A PNG with a gradient (https://www.w3.org/TR/png-3/)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(
        b"\0" + b"".join(bytes((255 * x // width, 120, 255 * y // height)) for x in range(width))
        for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def sound(seconds: float = 0.5) -> bytes:
    """A WAV of silence: 8000 samples of 8 bits a second."""
    data = b"\x80" * int(8000 * seconds)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


BRING = """([kind, name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  const how = { bubbles: true, cancelable: true };
  const box = document.getElementById("question");
  if (kind === "paste") box.dispatchEvent(new ClipboardEvent("paste", { ...how, clipboardData: data }));
  else for (const each of ["dragenter", "dragover", "drop"])
    box.dispatchEvent(new DragEvent(each, { ...how, dataTransfer: data }));
}"""


async def bring(page: Page, how: str, name: str, mime: str, data: bytes) -> None:
    """Drop or paste a file."""

    await page.evaluate(BRING, [how, name, mime, b64encode(data).decode()])


async def shows(image: Any) -> bool:
    """Whether a picture is really there."""
    return bool(await image.evaluate("image => image.decode().then(() => image.naturalWidth > 1)"))


@pytest.mark.parametrize("how", ["drop", "paste"])
async def test_a_picture_is_brought_previewed_sent_and_there_after_a_reload(
    house: House, visit: Visit, how: str
):
    page = await (await visit()).open()
    await bring(page, how, "cat.png", "image/png", picture())
    tray = page.get_by_role("list", name="Attachments")
    preview = tray.get_by_role("img", name="cat.png")
    await expect(preview).to_be_visible()
    assert await shows(preview)
    await expect(page.get_by_text("Drop files here")).to_be_hidden()
    await page.get_by_role("textbox", name="Message").fill("What is it?")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_text("You said: What is it?", exact=True)).to_be_visible()
    (heard,) = house.core.heard
    (cat,) = heard.attachments
    assert (cat.kind, cat.mime, cat.name) == ("image", "image/png", "cat.png")
    assert await house.web.fetch(cat) == picture()
    await page.reload()
    sent = page.get_by_role("group", name="You").get_by_role("img", name="cat.png")
    await expect(sent).to_be_visible()
    assert await shows(sent)
    await expect(page.locator("#tray")).to_be_hidden()


async def test_files_are_chosen_removed_and_sent_without_words(house: House, visit: Visit):
    page = await (await visit()).open()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Attach files").click()
    files = [
        {"name": "words.txt", "mimeType": "text/plain", "buffer": b"hello"},
        {"name": "more.csv", "mimeType": "text/csv", "buffer": b"a,b"},
    ]
    await (await chooser.value).set_files(files)  # type: ignore[arg-type]
    await page.get_by_role("button", name="Remove more.csv").click()
    await expect(page.locator("#tray").get_by_text("more.csv")).to_have_count(0)
    await page.get_by_role("button", name="Send", exact=True).click()
    question = page.get_by_role("group", name="You")
    async with page.expect_download() as download:
        await question.get_by_role("link", name="words.txt").click()
    assert (await download.value).suggested_filename == "words.txt"
    heard = await house.core.hears()
    assert house.core.heard == [heard]
    assert (heard.text, [each.name for each in heard.attachments]) == ("", ["words.txt"])


async def test_what_is_too_large_or_too_many_is_refused_in_words(house: House, visit: Visit, tmp_path: Path):
    page = await (await visit()).open()
    box = page.locator("#files")
    large = tmp_path / "film.mp4"
    large.touch()
    os.truncate(large, LIMIT + 1)
    await box.set_input_files(large)  # by its path: 20 MB through the driver take many seconds
    await expect(page.get_by_role("alert")).to_have_text("film.mp4 is too large: at most 20 MB.")
    many = [{"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"x"} for n in range(9)]
    await box.set_input_files(many)  # type: ignore[arg-type]
    await expect(page.get_by_role("alert")).to_have_text("At most 8 files go with one message.")
    await expect(page.locator("#tray > li")).to_have_count(8)


async def test_attachments_wait_over_a_reload(house: House, visit: Visit):
    page = await (await visit()).open()
    await bring(page, "drop", "cat.png", "image/png", picture())
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await page.reload()
    assert await shows(page.get_by_role("img", name="cat.png"))
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_role("group", name="You").get_by_role("img")).to_be_visible()
    assert (await house.core.hears()).attachments[0].name == "cat.png"


async def test_a_message_is_recorded_by_microphone(house: House, visit: Visit):
    page = await (await visit(permissions=["microphone"])).open()
    await page.get_by_role("button", name="Record a message").click()
    panel = page.get_by_role("group", name="Recording")
    await expect(panel.get_by_role("timer")).to_have_text(re.compile(r"0:(0[1-9]|[1-5]\d)"))
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(page.locator("#tray")).to_be_hidden()
    await page.get_by_role("button", name="Record a message").click()
    await expect(panel.get_by_role("timer")).to_have_text(re.compile(r"0:(0[1-9]|[1-5]\d)"))
    await panel.get_by_role("button", name="Finish the recording").click()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_role("group", name="You").locator("audio")).to_be_visible()
    heard = await house.core.hears()
    assert house.core.heard == [heard]
    (voice,) = heard.attachments
    assert (voice.kind, voice.mime, voice.name) == ("audio", "audio/webm", "recording.webm")
    assert (await house.web.fetch(voice)).startswith(b"\x1aE\xdf\xa3"), "an EBML head"


async def test_an_answer_with_a_picture_a_sound_and_a_file_is_seen_heard_and_saved(
    house: House, visit: Visit
):
    page = await (await visit()).open()

    async def draw(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Text("Here you are:"))
        await reply.send(Media("image", "image/png", picture(), "A sky", "sky.png"))
        await reply.send(Media("audio", "audio/wav", sound(), "", "speech.wav"))
        await reply.send(Media("file", "text/markdown", b"# Hi", "", "notes.md"))
        await reply.send(End())

    house.core.script = draw
    await page.get_by_role("textbox", name="Message").fill("Draw")
    await page.keyboard.press("Enter")
    answer = page.get_by_role("group", name="Answer")
    sky = answer.get_by_role("img", name="A sky")
    await expect(sky).to_be_visible()
    assert await shows(sky)
    player = answer.locator("audio")
    await expect(player).to_be_visible()
    await player.evaluate("sound => new Promise((done) => { sound.onended = done; sound.play(); })")
    assert await player.evaluate("sound => sound.duration") == pytest.approx(0.5)
    for link, name in (("Save", "sky.png"), ("notes.md", "notes.md")):
        async with page.expect_download() as download:
            await answer.get_by_role("link", name=link).first.click()
        assert (await download.value).suggested_filename == name
    async with page.expect_popup() as popup:
        await sky.click()
    await expect((await popup.value).locator("img")).to_be_visible()


async def test_a_picture_is_seen_as_it_is_drawn_in_one_place_and_after_a_reload(house: House, visit: Visit):
    page = await (await visit()).open()
    turns = asyncio.Queue[Preview | Media]()

    async def draw(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Status("drawing"))
        while True:
            part = await turns.get()
            await reply.send(part)
            if isinstance(part, Media):
                await reply.send(End())
                return

    house.core.script = draw
    await page.get_by_role("textbox", name="Message").fill("Draw")
    await page.keyboard.press("Enter")
    answer = page.get_by_role("group", name="Answer")
    rough = answer.get_by_role("img", name="Picture that is not finished")
    for width in (40, 80):
        turns.put_nowait(Preview("image/png", picture(width, width // 2)))
        await expect(rough).to_have_js_property("naturalWidth", width)
    await expect(answer.get_by_text("Drawing…")).to_be_visible()
    await page.reload()
    await expect(rough).to_have_js_property("naturalWidth", 80)
    turns.put_nowait(Media("image", "image/png", picture(), "A sky"))
    sky = answer.get_by_role("img", name="A sky")
    await expect(sky).to_be_visible()
    assert await shows(sky)
    await expect(rough).to_be_hidden()
    await expect(answer.get_by_role("img")).to_have_count(1)


async def test_what_is_not_kept_any_more_is_named(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "404"
    page = await window.open()

    async def draw(incoming: Incoming, reply: Reply) -> None:
        await reply.send(Media("video", "video/mp4", bytes(LIMIT + 1), "A film"))
        await reply.send(End())

    house.core.script = draw
    await page.get_by_role("textbox", name="Message").fill("Film")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("A film is not kept any more.")).to_be_visible()


async def test_a_message_that_was_refused_goes_back_into_the_box_with_its_files(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "429"
    page = await window.open()
    house.core.busy = 1
    await bring(page, "drop", "cat.png", "image/png", picture())
    await page.get_by_role("textbox", name="Message").fill("What is it?")
    await page.get_by_role("button", name="Send", exact=True).click()
    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("What is it?")
    assert await shows(page.locator("#tray").get_by_role("img", name="cat.png"))
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.get_by_text("You said: What is it?", exact=True)).to_be_visible()
    assert [each.name for each in house.core.heard[0].attachments] == ["cat.png"]


async def test_an_upload_that_fails_says_why_and_is_tried_again_on_demand(house: House, visit: Visit):
    window = await visit()
    window.tolerated = "422"
    page = await window.open()
    why = {"status": 422, "json": {"error": "Not today."}}
    await page.route("**/api/media?*", lambda route: route.fulfill(**why), times=1)
    await bring(page, "drop", "words.txt", "text/plain", b"hello")
    await expect(page.get_by_role("alert")).to_have_text("words.txt could not be uploaded. Not today.")
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    await page.get_by_role("button", name="Try words.txt again").click()
    await expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    await expect(page.get_by_role("alert")).to_be_hidden()


async def test_a_copied_table_is_pasted_as_words_and_not_as_a_picture(house: House, visit: Visit):
    page = await (await visit()).open()
    await page.evaluate(
        """() => {
          const data = new DataTransfer();
          data.setData("text/plain", "a b");
          data.items.add(new File(["x"], "table.png", { type: "image/png" }));
          const how = { bubbles: true, cancelable: true, clipboardData: data };
          window.taken = !document.getElementById("question").dispatchEvent(new ClipboardEvent("paste", how));
        }"""
    )
    assert await page.evaluate("window.taken") is False
    await expect(page.locator("#tray")).to_be_hidden()
