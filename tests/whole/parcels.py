"""A file of each format that people send, with the name and type under which apps send it, and what is in it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import av
import pillow_heif
from PIL import Image

from tests.bot.media.papers import pdf, sheet, show, word
from tests.bot.media.recordings import SPEEX, WORDS, bare_speex, recorded, spoken, wave
from tests.whole.studio import photograph, scene

_SOUNDS = {  # a form of `recordings.FORMATS`: its name for people, the file's name, the type that apps give
    "opus": ("OGG/Opus (Telegram, WhatsApp)", "voice.ogg", "audio/ogg"),
    "vorbis": ("OGG/Vorbis", "music.ogg", "audio/ogg"),
    "mp3": ("MP3", "song.mp3", "audio/mpeg"),
    "m4a": ("M4A/AAC (iPhone)", "memo.m4a", "audio/x-m4a"),
    "aac": ("AAC", "memo.aac", "audio/aac"),
    "wav": ("WAV", "speech.wav", "audio/wav"),
    "flac": ("FLAC", "speech.flac", "audio/flac"),
    "webm": ("WebM/Opus (browsers)", "clip.webm", "audio/webm"),
    "amr": ("AMR (WeChat, WeCom)", "voice.amr", "audio/amr"),
    "silk": ("SILK", "voice.silk", "application/octet-stream"),
    "tencent": ("SILK (Tencent)", "voice.slk", "audio/silk"),
    "aiff": ("AIFF", "speech.aiff", "audio/aiff"),
    "wma": ("WMA", "speech.wma", "audio/x-ms-wma"),
    "mp4": ("MP4, a film", "film.mp4", "video/mp4"),
    "mov": ("MOV, a film (iPhone)", "film.mov", "video/quicktime"),
    "mkv": ("MKV, a film", "film.mkv", "video/x-matroska"),
}
_OTHERS = {  # container, codec, rate; the name for people, the file's name, the type
    "3gp": ("3gp", "libopencore_amrnb", 8_000, "3GP/AMR (Android)", "memo.3gp", "video/3gpp"),
    "caf": ("caf", "pcm_s16le", 16_000, "CAF (iPhone)", "memo.caf", "audio/x-caf"),
    "avi": ("avi", "mp3", 44_100, "AVI", "film.avi", "video/x-msvideo"),
    "ogg-speex": ("", "", 0, "Speex", "voice.spx", "audio/ogg"),
    "speex": ("", "", 0, "Speex, bare (WeChat)", "voice.speex", "audio/x-speex-with-header-byte"),
}
_PICTURES = {  # how Pillow calls it: its name for people, and the ending of a file's name
    "JPEG": ("JPEG (cameras)", "jpg"),
    "HEIF": ("HEIC (iPhone)", "heic"),
    "AVIF": ("AVIF", "avif"),
    "WEBP": ("WebP", "webp"),
    "PNG": ("PNG (screenshots)", "png"),
    "GIF": ("GIF, animated", "gif"),
    "BMP": ("BMP", "bmp"),
    "TIFF": ("TIFF", "tiff"),
}
_CAMERA = ("JPEG", "HEIF", "AVIF", "WEBP")  # turned by EXIF, and as large as a telephone makes them
_SCREEN = (1200, 1600)


@dataclass(frozen=True)
class Parcel:
    """A file; `wanted` is what is to be found in it, or said about it."""

    label: str
    name: str
    mime: str
    data: bytes = field(repr=False)
    wanted: str


def parcels(camera: tuple[int, int] = (3000, 4000)) -> Iterator[Parcel]:
    """All of them: pictures of at most so many pixels, recordings, documents, and what is not read."""
    yield from _pictures(camera)
    yield from _recordings()
    yield from _documents()
    yield from _unread()


def _pictures(camera: tuple[int, int]) -> Iterator[Parcel]:
    pillow_heif.register_heif_opener()
    for form, (label, ending) in _PICTURES.items():
        size = camera if form in _CAMERA else min(camera, _SCREEN)
        data = photograph(size, form) if form in _CAMERA else _saved(form, size)
        shown = f"{label}, {size[0] * size[1] / 1e6:.1f} megapixels"
        yield Parcel(shown, f"photo.{ending}", f"image/{form.lower()}", data, " × ")


def _saved(form: str, size: tuple[int, int]) -> bytes:
    file, image = io.BytesIO(), scene(size)
    more = {"save_all": True, "append_images": [image.transpose(Image.Transpose.ROTATE_180)]}
    image.save(file, form, **(more if form == "GIF" else {}))
    return file.getvalue()


def _recordings() -> Iterator[Parcel]:
    words = WORDS[0]
    pcm = spoken(words)
    for form, (label, name, mime) in _SOUNDS.items():
        yield Parcel(label, name, mime, recorded(pcm, form), words)
    for form, (container, codec, rate, label, name, mime) in _OTHERS.items():
        if form == "ogg-speex":
            data = SPEEX.read_bytes()
        elif form == "speex":
            data = bare_speex()
        else:
            data = _written(pcm, container, codec, rate)
        yield Parcel(label, name, mime, data, words)


def _written(pcm: bytes, container: str, codec: str, rate: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output, av.open(io.BytesIO(wave(pcm))) as source:
        stream = cast(av.AudioStream, output.add_stream(codec, rate=rate, layout="mono"))
        if codec == "libopencore_amrnb":
            stream.bit_rate = 12_200
        for frame in source.decode(audio=0):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def _documents() -> Iterator[Parcel]:
    office = "application/vnd.openxmlformats-officedocument."
    page = "<!doctype html><html><head><title>Tea</title></head><body><h1>Green tea</h1></body></html>"
    table = json.dumps({"tea": "green"}, indent=1)
    for label, name, mime, data, wanted in (
        ("text", "notes.txt", "text/plain", "Grüner Tee".encode(), "Grüner Tee"),
        ("text in GB 18030", "笔记.txt", "text/plain", "绿茶和红茶".encode("gb18030"), "绿茶和红茶"),
        ("Markdown", "notes.md", "text/markdown", b"# Tea\n\nGreen.", "# Tea"),
        ("code", "tea.py", "text/x-python", b"def tea():\n    return 'green'\n", "def tea():"),
        ("CSV", "tea.csv", "text/csv", b"tea,price\ngreen,3\n", "tea"),
        ("JSON", "tea.json", "application/json", table.encode(), "{"),
        ("HTML", "tea.html", "text/html", page.encode(), "Green tea"),
        ("PDF", "tea.pdf", "application/pdf", pdf("Green tea", "Black tea"), "Green tea"),
        ("Word", "plan.docx", f"{office}wordprocessingml.document", word(), "# Spring"),
        ("Excel", "costs.xlsx", f"{office}spreadsheetml.sheet", sheet(rows=500), "## Summary"),
        ("PowerPoint", "bees.pptx", f"{office}presentationml.presentation", show(), "## Slide 1"),
    ):
        yield Parcel(label, name, mime, data, wanted)


def _unread() -> Iterator[Parcel]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("tea.txt", "green")
    yield Parcel("ZIP", "tea.zip", "application/zip", packed.getvalue(), "ZIP")
    yield Parcel("RTF", "tea.rtf", "application/rtf", rb"{\rtf1 green tea}", "RTF")
    yield Parcel("Word before 2007", "tea.doc", "application/msword", _OLE + bytes(600), "DOC")
    locked = pdf("Green tea", password="sesame")
    yield Parcel("PDF with a password", "locked.pdf", "application/pdf", locked, "password")


_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
