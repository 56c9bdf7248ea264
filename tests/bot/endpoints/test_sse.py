"""Server-sent events arrive whole, however they are written and wherever they are cut."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.endpoints.sse import Decoder, Event, EventTooLong

RECORDED = {
    "as the standard has it": (b'data: {"a":1}\n\ndata: [DONE]\n\n', ['{"a":1}', "[DONE]"]),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
    "CR alone": (b"data: a\r\rdata: b\r\r", ["a", "b"]),
    "line ends of every kind": (b"data: a\r\ndata: b\rdata: c\n\r\ndata: d\r\r\n", ["a\nb\nc", "d"]),
    "no blank behind the colon": (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
    "several lines of data": (b'data: {\ndata: "a":1}\n\n', ['{\n"a":1}']),
    "data without a colon": (b"data\n\n", [""]),
    "comments and other fields": (b": ping\n\nid: 7\nretry: 10\nunknown: x\ndata: a\n\n:\n\n", ["a"]),
    "U+2028, U+0085 and form feed": ("data: a\u2028b\u0085c\x0cd\n\n".encode(), ["a\u2028b\u0085c\x0cd"]),
    "a BOM": (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
    "a BOM, but not at the start": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
    "the last event without its blank line": (b"data: a\n\ndata: b\n", ["a", "b"]),
    "the last event without its line end": (b"data: a\n\ndata: b", ["a", "b"]),
    "text in many scripts": ("data: 你好 😀 é\n\n".encode(), ["你好 😀 é"]),
    "bytes that are no UTF-8": (b"data: \xff\n\n", ["\ufffd"]),
    "empty": (b"", []),
}


def decoded(chunks: list[bytes]) -> list[Event]:
    decoder = Decoder()
    found = [event for chunk in chunks for event in decoder.feed(chunk)]
    return found + decoder.close()


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_stream_gives_its_events_whole_and_byte_by_byte(name: str) -> None:
    stream, expected = RECORDED[name]

    assert [event.data for event in decoded([stream])] == expected
    assert [event.data for event in decoded([bytes([byte]) for byte in stream])] == expected


@given(st.sampled_from(sorted(RECORDED)), st.lists(st.integers(0, 60)))
def test_where_a_stream_is_cut_makes_no_difference(name: str, cuts: list[int]) -> None:
    stream, expected = RECORDED[name]
    places = sorted([0, len(stream), *(cut for cut in cuts if cut < len(stream))])  # also into nothing
    chunks = [stream[one:two] for one, two in pairwise(places)]

    assert [event.data for event in decoded(chunks)] == expected


def test_nothing_may_come_between_cr_and_lf() -> None:
    assert decoded([b"data: a\r", b"", b"\ndata: b\n\n"]) == [Event("", "a\nb")]


def test_an_event_has_its_name_and_the_next_one_has_not() -> None:
    stream = b"event: error\ndata: a\n\ndata: b\n\n"

    assert decoded([stream]) == [Event("error", "a"), Event("", "b")]


def test_a_field_called_error_is_an_event_of_its_own() -> None:
    assert decoded([b'error: {"code":500}\n\n']) == [Event("error", '{"code":500}')]


def test_an_event_of_megabytes_takes_time_in_proportion() -> None:
    def seconds(size: int) -> float:
        stream = b"data: " + b"x" * size + b"\n\n"
        began = time.process_time()
        events = decoded([stream[n : n + 1400] for n in range(0, len(stream), 1400)])
        assert len(events[0].data) == size
        return time.process_time() - began

    small, large = min(seconds(1_000_000) for _ in range(3)), min(seconds(8_000_000) for _ in range(3))

    assert large < small * 8 * 4 + 0.05, "eight times the bytes must not take the square of that"


@pytest.mark.parametrize("line", [b"x", b"data: x\n"])
def test_an_event_without_end_is_given_up_at_the_limit(line: bytes) -> None:
    decoder = Decoder(limit=1000)

    for _ in range(1000 // len(line) - 1):
        decoder.feed(line)

    with pytest.raises(EventTooLong, match="1000"):
        decoder.feed(line * 1000)
