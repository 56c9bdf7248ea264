"""What bytes are: told by their content first, and by their name and declared type only where the content is mute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Family = Literal["image", "audio", "video", "pdf", "docx", "xlsx", "pptx", "html", "text", "zip", "unknown"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What somebody sent. `form` is the format within the family (`png`, `opus`, `mp4`), in small letters."""

    family: Family
    form: str
    mime: str = "application/octet-stream"

    @property
    def label(self) -> str:
        """The format as people write it; a question mark where nothing is known."""
        return self.form.upper() or "?"


_HEAD = 4096  # bytes in which every signature stands
_SAMPLE = 65_536  # bytes by which text is told from noise
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b")) + b"\x7f"
_MOST_CONTROLS = 0.02  # of the sample; compressed data has ten per cent

_PLAIN = {
    b"\x89PNG\r\n\x1a\n": Kind("image", "png", "image/png"),
    b"\xff\xd8\xff": Kind("image", "jpeg", "image/jpeg"),
    b"GIF87a": Kind("image", "gif", "image/gif"),
    b"GIF89a": Kind("image", "gif", "image/gif"),
    b"II*\0": Kind("image", "tiff", "image/tiff"),
    b"MM\0*": Kind("image", "tiff", "image/tiff"),
    b"#!AMR-WB\n": Kind("audio", "amr-wb", "audio/amr-wb"),
    b"#!AMR\n": Kind("audio", "amr", "audio/amr"),
    b"#!SILK_V3": Kind("audio", "silk", "audio/silk"),
    b"\x02#!SILK_V3": Kind("audio", "silk", "audio/silk"),  # Tencent's apps put a byte before the signature
    b"fLaC": Kind("audio", "flac", "audio/flac"),
    b"FORM": Kind("audio", "aiff", "audio/aiff"),
    b"caff": Kind("audio", "caf", "audio/x-caf"),
    b"ID3": Kind("audio", "mp3", "audio/mpeg"),
    b"\0\0\x01\xba": Kind("video", "mpeg", "video/mpeg"),
    b"FLV\x01": Kind("video", "flv", "video/x-flv"),
    b"\x1f\x8b": Kind("unknown", "gz"),
    b"BZh": Kind("unknown", "bz2"),
    b"\xfd7zXZ\0": Kind("unknown", "xz"),
    b"7z\xbc\xaf\x27\x1c": Kind("unknown", "7z"),
    b"Rar!\x1a\x07": Kind("unknown", "rar"),
    b"\x28\xb5\x2f\xfd": Kind("unknown", "zst"),
    b"\x7fELF": Kind("unknown", "elf"),
    b"{\\rtf": Kind("unknown", "rtf"),
    b"%!PS": Kind("unknown", "ps"),
    b"SQLite format 3\0": Kind("unknown", "sqlite"),
}
"""What a signature at the beginning tells."""

_OGG = {
    b"OpusHead": ("opus", "audio/ogg"),
    b"\x01vorbis": ("vorbis", "audio/ogg"),
    b"Speex   ": ("speex", "audio/x-speex"),
    b"\x7fFLAC": ("oggflac", "audio/ogg"),
}
_RIFF = {
    b"WAVE": Kind("audio", "wav", "audio/wav"),
    b"WEBP": Kind("image", "webp", "image/webp"),
    b"AVI ": Kind("video", "avi", "video/x-msvideo"),
}
_OFFICE: dict[bytes, Kind] = {
    b"word/document.xml": Kind(
        "docx", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    ),
    b"xl/workbook.xml": Kind(
        "xlsx", "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    ),
    b"ppt/presentation.xml": Kind(
        "pptx", "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    ),
}
_OLE = (
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # Word, Excel and PowerPoint before 2007, and all that is encrypted
)
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_WINDOWS_MEDIA = bytes.fromhex("3026b2758e66cf11")
_MARKUP = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,2000}?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_PRINTED = re.compile(r"[a-z0-9]{1,8}")


def sniff(data: bytes, *, name: str = "", mime: str = "") -> Kind:
    """What `data` is. A picture that is a web page in truth is `html`; `unknown` has its name's ending as form.

    Looks at a bounded part only, so that it may be called on the event loop. Never raises.
    """
    head, name, mime = data[:_HEAD], name.lower(), mime.lower()
    plain = (kind for signature, kind in _PLAIN.items() if head.startswith(signature))
    return (
        next(plain, None)
        or _contained(head, mime)
        or _frames(head, name, mime)
        or _packaged(data, head, name)
        or _written(data, head, name)
    )


def suffix(name: str) -> str:
    """The ending of a file's name without its dot, or nothing where it has no plain one."""
    ending = name.lower().rpartition(".")[2] if "." in name else ""
    return ending if _PRINTED.fullmatch(ending) else ""


def _contained(head: bytes, mime: str) -> Kind | None:
    """Containers, which hold pictures, sound or film."""
    if head.startswith(b"OggS"):
        found = (Kind("audio", *told) for mark, told in _OGG.items() if mark in head[:256])
        return next(found, Kind("video", "ogv", "video/ogg"))
    if head.startswith((b"RIFF", b"RF64")):
        return _RIFF.get(head[8:12])
    heard = mime.startswith("audio/")
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return _quicktime(head, heard)
    if head.startswith(b"\x1aE\xdf\xa3"):
        form = "webm" if b"webm" in head[:64] else "mkv"
        family: Family = "video" if b"V_" in head or (b"A_" not in head and not heard) else "audio"
        return Kind(family, form, f"{family}/{form}")
    if head.startswith(_WINDOWS_MEDIA):
        return Kind("audio", "wma", "audio/x-ms-wma") if heard else Kind("video", "wmv", "video/x-ms-wmv")
    return None


def _quicktime(head: bytes, heard: bool) -> Kind:
    """The family of ISO/IEC 14496-12, by its brands."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
    # Of a brand that says nothing of the codec, the brands that it is compatible with tell.
    listed = head[16 : int.from_bytes(head[:4], "big")] if brand in (b"mif1", b"msf1") else b""
    if brand in (b"avif", b"avis") or b"avif" in listed or b"avis" in listed:
        return Kind("image", "avif", "image/avif")
    if listed or brand in _HEIC:
        return Kind("image", "heic", "image/heic")
    if brand in (b"M4A ", b"M4B ", b"F4A ") or heard:
        return Kind("audio", "m4a", "audio/mp4")
    return Kind("video", "mov", "video/quicktime") if brand == b"qt  " else Kind("video", "mp4", "video/mp4")


def _frames(head: bytes, name: str, mime: str) -> Kind | None:
    """Sound without a container, known by the header of its first frame, or by nothing but what was said of it."""
    if len(head) > 6 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Kind("audio", "aac", "audio/aac")
    if _mpeg_frame(head):
        return Kind("audio", "mp3", "audio/mpeg")
    if "speex" in mime or name.endswith((".spx", ".speex")):
        return Kind("audio", "speex", "audio/x-speex")
    return None


def _mpeg_frame(head: bytes) -> bool:
    """A header of layer III: sync, a known bit rate and a known sampling rate (ISO/IEC 11172-3, 2.4.1.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    return head[1] & 0x18 != 0x08 and head[2] >> 4 not in (0, 15) and head[2] & 0x0C != 0x0C


def _packaged(data: bytes, head: bytes, name: str) -> Kind | None:
    """What Office writes, before 2007 and since."""
    if head.startswith(_OLE):
        return Kind("unknown", suffix(name) or "doc")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        # The names of a package's parts stand in its first headers and in its directory, at the end.
        listed = data[:_SAMPLE] + data[-4 * _SAMPLE :]
        found = (kind for part, kind in _OFFICE.items() if part in listed)
        return next(found, Kind("zip", suffix(name) or "zip", "application/zip"))
    return None


def _written(data: bytes, head: bytes, name: str) -> Kind:
    """Words, or nothing that we know."""
    if head.startswith(b"BM") and head[6:10] == bytes(4):
        return Kind("image", "bmp", "image/bmp")
    if b"%PDF-" in head[:1024]:
        return Kind("pdf", "pdf", "application/pdf")
    if _MARKUP.match(head.removeprefix(b"\xef\xbb\xbf")):
        return Kind("html", "html", "text/html")
    if _is_text(data[:_SAMPLE]):
        return Kind("text", suffix(name) or "txt", "text/plain")
    return Kind("unknown", suffix(name))


def _is_text(sample: bytes) -> bool:
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if not sample or 0 in sample:
        return False
    return len(sample) - len(sample.translate(None, _CONTROLS)) <= _MOST_CONTROLS * len(sample)
