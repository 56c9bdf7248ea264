"""Whatever people record is heard: the same words come out of every format, and in every form."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from bot.errors import Silent, TooLong, Unreadable, Unsupported
from bot.media.kinds import sniff
from bot.media.made import Form
from bot.media.workshop import Workshop
from tests.bot.media.recordings import (
    FORMATS,
    SPEEX,
    WORDS,
    bare_speex,
    heard,
    mute_film,
    recorded,
    samples,
    silence,
    tone,
    wave,
)

TAKEN = ("opus", "vorbis", "mp3", "m4a", "wav", "flac", "webm")
"""What transcription endpoints take as it is."""

FORMS: dict[Form, tuple[str, str]] = {
    "ogg-opus": ("opus", "audio/ogg"),
    "mp3": ("mp3", "audio/mpeg"),
    "amr": ("amr", "audio/amr"),
    "wav": ("wav", "audio/wav"),
}

# --- for a transcription endpoint ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", TAKEN)
async def test_what_an_endpoint_takes_passes_untouched(workshop: Workshop, form: str) -> None:
    data = recorded(tone(2), form)
    sound = await workshop.sound(data)
    assert sound.data == data
    assert sound.duration == pytest.approx(2, abs=0.15)
    assert not sound.silent
    assert sniff(sound.data).mime == sound.mime


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("form", [form for form in (*FORMATS, "silk", "tencent") if form not in TAKEN])
async def test_what_no_endpoint_takes_still_says_the_same_words(
    workshop: Workshop, speech: dict[str, bytes], form: str, words: str
) -> None:
    sound = await workshop.sound(recorded(speech[words], form))
    assert (sound.mime, sound.name) == ("audio/ogg", "sound.ogg")
    assert sniff(sound.data).form == "opus"
    assert sound.duration == pytest.approx(len(speech[words]) / 32_000, abs=0.2)
    assert heard(sound.data) == words


async def test_speex_is_heard_in_its_container_and_without(workshop: Workshop) -> None:
    contained = await workshop.sound(SPEEX.read_bytes())
    bare = await workshop.sound(bare_speex(), mime="audio/x-speex-with-header-byte")
    assert heard(contained.data) == heard(bare.data) == WORDS[0]
    assert bare.duration == pytest.approx(2, abs=0.1)


async def test_the_ear_of_these_tests_notices_a_wrong_speed(speech: dict[str, bytes]) -> None:
    assert heard(wave(speech[WORDS[0]])) == WORDS[0]
    assert heard(wave(speech[WORDS[0]], rate=24_000)) != WORDS[0]
    assert heard(wave(speech[WORDS[0]][::-1])) != WORDS[0]


async def test_silence_is_noticed(workshop: Workshop) -> None:
    assert (await workshop.sound(wave(silence(3)))).silent
    assert (await workshop.sound(recorded(silence(3), "amr"))).silent
    assert not (await workshop.sound(wave(silence(3) + tone(0.3, loudness=0.05)))).silent


async def test_a_recording_beyond_the_bound_is_refused_with_the_bound(workshop: Workshop) -> None:
    assert (
        await workshop.sound(recorded(tone(60), "m4a"), limit_seconds=60)
    ).duration > 60  # its frames are filled
    for form in ("mp3", "silk"):
        with pytest.raises(TooLong) as refused:
            await workshop.sound(recorded(tone(70), form), limit_seconds=60)
        assert refused.value.values == {"limit": 1}


@pytest.mark.parametrize("form", ["mp3", "opus", "amr", "silk", "webm", "wav", "flac", "aac"])
async def test_of_a_recording_that_breaks_off_the_beginning_is_heard(workshop: Workshop, form: str) -> None:
    data = recorded(tone(4), form)
    sound = await workshop.sound(data[: len(data) * 2 // 3])
    assert 1.5 < sound.duration < 3.5
    assert not sound.silent


@pytest.mark.parametrize("form", ["m4a", "mp4", "mov"])
async def test_a_film_whose_directory_is_cut_off_is_refused(workshop: Workshop, form: str) -> None:
    data = recorded(tone(4), form)
    with pytest.raises(Unreadable) as refused:
        await workshop.sound(data[: len(data) * 2 // 3])
    assert refused.value.values == {"kind": sniff(data).label}


async def test_a_broken_stretch_is_left_out(workshop: Workshop) -> None:
    data = bytearray(recorded(tone(6), "opus"))
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    sound = await workshop.sound(bytes(data))
    assert 3 < sound.duration < 6.2


async def test_a_film_without_sound_is_refused_as_silent(workshop: Workshop) -> None:
    with pytest.raises(Silent):
        await workshop.sound(mute_film())


async def test_what_is_no_recording_is_refused(workshop: Workshop) -> None:
    with pytest.raises(Unsupported) as refused:
        await workshop.sound(b"%PDF-1.7 and so on")
    assert refused.value.values == {"kind": "PDF"}
    with pytest.raises(Unreadable):
        await workshop.sound(b"ID3" + bytes(5000))


@pytest.mark.parametrize("prefix", [b"", b"ID3\x04\0\0\0\0\0\0", b"#!AMR\n", b"FLV\x01"])
async def test_a_playlist_that_calls_itself_a_recording_opens_nothing(
    workshop: Workshop, prefix: bytes
) -> None:
    asked: list[str] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(str(await reader.readline()))
        writer.close()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        names = f"http://127.0.0.1:{port}/a.ts\n#EXTINF:1,\nfile:///etc/hostname".encode()
        playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + names + b"\n#EXT-X-ENDLIST\n\0"
        with suppress(Unreadable, Unsupported):  # behind some signatures it passes for noise
            await workshop.sound(prefix + playlist)
    assert asked == []


# --- cut and joined ------------------------------------------------------------------------------------------


async def test_a_long_recording_is_cut_between_the_words(
    workshop: Workshop, speech: dict[str, bytes]
) -> None:
    pcm = b"".join(speech[words] + silence(1) for words in WORDS)
    sound = await workshop.sound(wave(pcm))
    pieces = await workshop.pieces(sound, 4)
    assert [heard(piece.data) for piece in pieces] == list(WORDS)
    assert all(piece.duration <= 4 for piece in pieces)
    assert sum(piece.duration for piece in pieces) == pytest.approx(sound.duration, abs=0.1)


async def test_a_short_recording_is_its_only_piece(workshop: Workshop) -> None:
    sound = await workshop.sound(wave(tone(2)))
    assert await workshop.pieces(sound, 60) == [sound]


async def test_sound_without_a_pause_is_cut_all_the_same(workshop: Workshop) -> None:
    sound = await workshop.sound(wave(tone(10)))
    pieces = await workshop.pieces(sound, 3)
    assert all(piece.duration <= 3 for piece in pieces)
    assert sum(piece.duration for piece in pieces) == pytest.approx(10, abs=0.2)


# --- for a platform ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("source", ["mp3", "opus", "wav"])
async def test_speech_takes_every_form_and_says_the_same(
    workshop: Workshop, speech: dict[str, bytes], source: str, form: Form
) -> None:
    words = WORDS[1]
    voice = await workshop.voice(recorded(speech[words], source), form)
    assert (sniff(voice.data).form, voice.mime) == FORMS[form]
    assert len(samples(voice.data)) / 32_000 == pytest.approx(voice.duration, abs=0.2)
    assert heard(voice.data) == words


async def test_amr_is_what_telephones_write(workshop: Workshop) -> None:
    voice = await workshop.voice(wave(tone(3)), "amr")
    # A frame of 12.2 kbit/s: 20 ms, 32 bytes, its type in the header (RFC 4867, 5.3).
    assert voice.data[:6] == b"#!AMR\n"
    assert {frame >> 3 & 15 for frame in voice.data[6::32]} == {7}


async def test_speech_is_split_for_a_platform_that_takes_a_minute(workshop: Workshop) -> None:
    voices = await workshop.split(wave((tone(20) + silence(1)) * 6), "amr")
    assert len(voices) == 3
    assert all(voice.duration <= 60 for voice in voices)
    assert sum(voice.duration for voice in voices) == pytest.approx(126, abs=0.5)


async def test_pieces_of_speech_are_joined_in_their_order(
    workshop: Workshop, speech: dict[str, bytes]
) -> None:
    parts = [recorded(speech[WORDS[0]], "mp3"), recorded(speech[WORDS[2]], "opus")]
    joined = await workshop.join(parts, "ogg-opus")
    halves = await workshop.split(joined.data, "wav", seconds=joined.duration * 0.6)
    assert [heard(half.data) for half in halves] == [WORDS[0], WORDS[2]]
