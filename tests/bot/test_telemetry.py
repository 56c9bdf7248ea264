"""What the process says about itself: readable, redacted, and never a reason to fail."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
from collections.abc import Iterator, Mapping

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot import telemetry
from bot.api import Incoming, Person, Place

KEY = "sk-proj-abcDEF1234567890"
PASSWORD = 'p@ss "word"/1'


@pytest.fixture
def restored() -> Iterator[None]:
    """The process's logging as it was before the test."""
    root, quiet = logging.getLogger(), logging.getLogger("httpx")
    level, quiet_level = root.level, quiet.level
    yield
    structlog.reset_defaults()
    root.setLevel(level)
    quiet.setLevel(quiet_level)
    root.handlers[:] = [h for h in root.handlers if not isinstance(h, telemetry._Bridge)]
    telemetry._Process.redaction = telemetry.Redaction()


@pytest.fixture
def stream(restored: None) -> io.StringIO:
    return io.StringIO()


def incoming(id: str = "7", chat: str = "42") -> Incoming:
    return Incoming(id, Place("telegram", "bot", chat), Person("1"), "hello")


def last(stream: io.StringIO) -> dict[str, object]:
    line: dict[str, object] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_json_is_one_object_a_line_with_time_level_and_event(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", (), stream, clock=lambda: 1_700_000_000.25)
    structlog.get_logger().info("taken", wait=0.5, models=("a", "b"), none=None)
    assert stream.getvalue().count("\n") == 1
    assert last(stream) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "event": "taken",
        "wait": 0.5,
        "models": ["a", "b"],
        "none": None,
    }


def test_text_is_short_and_without_colours_where_nobody_looks(stream: io.StringIO) -> None:
    telemetry.configure("info", "text", (), stream)
    structlog.get_logger().warning("redis away", url="redis://h/0", note='two "words"\n')
    clock, rest = stream.getvalue().split(" ", 1)
    assert len(clock) == len("12:34:56")
    assert rest == 'warning redis away url=redis://h/0 note="two \\"words\\"\\n"\n'


def test_text_on_a_terminal_is_coloured(restored: None) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    telemetry.configure("info", "text", (), terminal)
    structlog.get_logger().error("broken")
    assert "\x1b[31merror" in terminal.getvalue()


def test_lines_below_the_level_are_not_written(stream: io.StringIO) -> None:
    telemetry.configure("warning", "json", (), stream)
    structlog.get_logger().info("chatter")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("format", ["text", "json"])
def test_configured_secrets_appear_in_no_form(stream: io.StringIO, format: str) -> None:
    telemetry.configure("debug", format, [PASSWORD, "hunter-two"], stream)
    log = structlog.get_logger()
    log.info(f"event {PASSWORD}", value=PASSWORD, deep={"list": [PASSWORD], PASSWORD: 1}, raw=b"hunter-two")
    log.info("encoded", url="https://host/?q=p%40ss%20%22word%22%2F1", body=json.dumps({"a": PASSWORD}))
    try:
        raise ValueError(f"cannot log in with {PASSWORD}")
    except ValueError as error:
        log.exception("failed", error=error)
    written = stream.getvalue()
    assert "word" not in written
    assert "hunter" not in written
    assert "cannot log in with ***" in written
    assert "Traceback" in written


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        (f"Incorrect API key provided: {KEY}.", "abcDEF1234567890"),
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("{'api-key': '0123abcd'}", "0123abcd"),
        ('{"x-api-key":"0123abcd"}', "0123abcd"),
        ("POST https://host/v1beta/models?key=AIzaXYZ HTTP/1.1", "AIzaXYZ"),
        ("GET https://api.weixin.qq.com/x?access_token=72_abc&type=image", "72_abc"),
        ('{"access_token":"72_abc","expires_in":7200}', "72_abc"),
        ("GET /hook?token=opensesame", "opensesame"),
        ("https://api.telegram.org/bot123456:AAE-x_yzAAE-x_yz/getMe", "AAE-x_yz"),
        ("token 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawZ is used", "AAHdqTcvCH1"),
        ("xoxb-12-34-abc and xapp-1-A0-9", "34-abc"),
        ("redis://user:swordfish@localhost:6379/0", "swordfish"),
        ("redis://:swordfish@localhost:6379/0", "swordfish"),
        ("OPENAI_API_KEY=abcdefgh", "abcdefgh"),
        ("secret=JBSWY3DP&corpsecret=KZXW6", "KZXW6"),
        ("AIzaSyA1234567890abcdefghijk", "SyA12345"),
        ("hf_abcdefghijklmnopqrstuv", "abcdefgh"),
        ("/callback?signature=0a1b2c&x=1", "0a1b2c"),
        ("appsecret=0a1b2c", "0a1b2c"),
        ("password: swordfish", "swordfish"),
    ],
)
def test_what_has_the_looks_of_a_secret_is_removed(text: str, gone: str) -> None:
    shown = telemetry.redact(text)
    assert gone in text
    assert gone not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "HTTP_PORT: 127.0.0.1:8080 is in use",
        "SLACK_BOT_TOKEN: missing",
        "asked for 120 tokens=120, task-oriented, 12:30",
        "https://host/v1/models?limit=10",
        "redis://localhost:6379/0",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert telemetry.redact(text) == text


def test_a_data_url_is_shortened_to_its_kind_and_size() -> None:
    text = f"image_url data:image/png;base64,{'iVBORw0KGgo' * 50} refused"
    assert telemetry.redact(text) == "image_url data:image/png;base64,…(550 characters) refused"


def test_of_a_redis_address_only_the_password_is_secret(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", ["redis://u:deep%2Fsea@cache:6379/0"], stream)
    structlog.get_logger().info("away", url="redis://cache:6379/0", said="deep/sea, deep%2Fsea")
    assert last(stream)["url"] == "redis://cache:6379/0"
    assert last(stream)["said"] == "***, ***"


def test_values_under_a_secret_name_are_hidden_whatever_they_are(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", (), stream)
    structlog.get_logger().info(
        "x", bot_token="plain", tokens=12, headers={"Authorization": "abc"}, user_key="k"
    )
    assert last(stream) | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "x",
        "bot_token": "***",
        "tokens": 12,
        "headers": {"Authorization": "***"},
        "user_key": "k",
    }


@given(st.text(max_size=200), st.text(max_size=200), st.text(min_size=4, max_size=40).filter(str.strip))
def test_a_secret_of_any_characters_is_never_shown(before: str, after: str, secret: str) -> None:
    redaction = telemetry.Redaction([secret])
    shown = redaction(f"{before}{secret}{after}")
    assert secret.strip() not in shown.replace("***", "") or len(secret.strip()) < 4


@given(st.text(alphabet="aA0 :/?&=@._-*'\"{},", max_size=120))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = telemetry.redact(text)
    assert telemetry.redact(once) == once


def test_redaction_of_a_long_text_is_quick() -> None:
    hostile = [
        "a" * 300_000,
        "a:" * 150_000,
        "bot1" * 75_000,
        "?key" * 75_000,
        "data:" * 60_000,
        '"' * 300_000,
    ]
    started = time.process_time()
    for text in hostile:
        telemetry.redact(text)
    assert time.process_time() - started < 15


def test_the_standard_librarys_loggers_take_the_same_way_out(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", [PASSWORD], stream)
    logging.getLogger("redis").warning("login with %s failed", PASSWORD)
    assert last(stream)["event"] == "login with *** failed"
    assert last(stream)["logger"] == "redis"
    assert last(stream)["level"] == "warning"


def test_other_peoples_packages_are_quiet(stream: io.StringIO) -> None:
    telemetry.configure("debug", "json", (), stream)
    logging.getLogger("httpx").info("HTTP Request: POST https://host/secret")
    logging.getLogger("uvicorn.access").info("GET /")
    assert stream.getvalue() == ""
    telemetry.configure("info", "json", (), stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    assert stream.getvalue() == ""


def test_configuring_again_does_not_write_twice(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", (), io.StringIO())
    telemetry.configure("info", "json", (), stream)
    logging.getLogger("redis").error("once")
    assert stream.getvalue().count("once") == 1


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Unreadable(Mapping[str, str]):
    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 1


class HostileError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("format", ["text", "json"])
def test_logging_never_raises(stream: io.StringIO, format: str) -> None:
    telemetry.configure("debug", format, (), stream)
    log = structlog.get_logger()
    circle: list[object] = []
    circle.append(circle)
    log.info("lone \ud800 surrogate", value="\udfff", raw=b"\xff\x00", nan=float("nan"))
    log.info("hostile", value=Hostile(), circle=circle)
    log.info("hostile error", error=HostileError())
    logging.getLogger("redis").warning("%d", "not a number")
    logging.getLogger("redis").warning("%s", Hostile())
    logging.getLogger("redis").log(35, "a level of its own")
    log.info("lost", values=Unreadable())
    lines = stream.getvalue().splitlines()
    assert len(lines) == 7
    assert "\\ud800" in lines[0]
    if format == "json":
        read = [json.loads(line) for line in lines]
        assert [line["event"] for line in read[:2]] == ["lone \\ud800 surrogate", "hostile"]
        assert (read[5]["event"], read[5]["level"]) == ("a level of its own", "warning")
        assert read[6]["event"] == "a log line was lost"


def test_a_stream_that_is_closed_or_narrow_does_not_stop_the_bot(restored: None) -> None:
    raw = io.BytesIO()
    narrow = io.TextIOWrapper(raw, encoding="ascii")
    telemetry.configure("info", "text", (), narrow)
    structlog.get_logger().info("你好")
    assert raw.getvalue().endswith(b"\\u4f60\\u597d\n")
    narrow.close()
    structlog.get_logger().info("nobody hears this")


def test_what_a_stranger_wrote_cannot_steer_the_terminal_or_forge_a_line(stream: io.StringIO) -> None:
    telemetry.configure("info", "text", (), stream)
    structlog.get_logger().info("said\n12:00:00 error forged", text="\x1b[2Jx\r\n12:00:00 error forged")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_values_and_tracebacks_are_bounded(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", (), stream)
    try:
        raise ValueError("x" * 1_000_000)
    except ValueError:
        structlog.get_logger().exception("big", text="y" * 1_000_000, many=list(range(10_000)))
    assert len(stream.getvalue()) < 25_000


async def test_each_line_about_a_message_carries_its_reference(stream: io.StringIO) -> None:
    telemetry.configure("info", "json", (), stream)
    log = structlog.get_logger()

    async def work(ref: str) -> None:
        with telemetry.about(ref, place="telegram"):
            await asyncio.sleep(0)
            log.info("in", expected=ref)

            async def inner() -> None:
                log.info("inner", expected=ref)

            await asyncio.create_task(inner())

    async with asyncio.TaskGroup() as group:
        for ref in ("AAAA2222", "BBBB3333"):
            group.create_task(work(ref))
    log.info("outside")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 5
    assert all(line["ref"] == line["expected"] and line["place"] == "telegram" for line in lines[:4])
    assert "ref" not in lines[4]


def test_the_reference_is_the_same_in_every_process_and_for_every_redelivery() -> None:
    assert telemetry.reference(incoming()) == telemetry.reference(incoming()) == "CB2K2MFH"
    assert telemetry.reference(incoming("\ud800"))


@given(st.text(), st.text())
def test_the_reference_is_short_and_has_no_letter_to_misread(id: str, chat: str) -> None:
    ref = telemetry.reference(incoming(id, chat))
    assert len(ref) == 8
    assert not set(ref) - set("23456789BCDFGHJKMNPQRSTVWXYZ")


def test_references_of_different_messages_differ() -> None:
    assert len({telemetry.reference(incoming(str(n))) for n in range(5000)}) == 5000


def test_adapters_are_heard_from_the_operators_level_on(stream: io.StringIO) -> None:
    telemetry.configure("info", "text", (), stream)
    logging.getLogger("adapters.somewhere").info("we hear again")
    assert "we hear again" in stream.getvalue()
