"""How what was sent or answered is served: as what it is, and never as a page of ours."""

from __future__ import annotations

import re
from urllib.parse import quote

from starlette.responses import Response

from adapters._feed import Json
from adapters._shelf import Kept

_SHOWN = re.compile(r"image/(?:png|jpeg|gif|webp|avif|bmp)|(?:audio|video)/.+")
_SCRIPTED = re.compile(r".*(?:html|xml|svg|script).*")
_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")


def told(kept: Kept) -> Json:
    """What a front end is told of an upload."""
    return {"id": kept.id, "media": kept.kind, "mime": kept.mime, "name": kept.name, "size": kept.size}


def response(kept: Kept, data: bytes, wanted: str = "") -> Response:
    """`data`, or the part of it that the `Range` header `wanted` names (RFC 9110, 14.2): players seek by it.

    Pictures and recordings are shown in place, anything else is to be saved; what a browser would run is told as
    mere bytes. Its policy forbids whatever it may hold.
    """
    headers = {
        "Content-Disposition": _disposition(kept),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=3600, immutable",
        "Accept-Ranges": "bytes",
    }
    kind = "application/octet-stream" if _SCRIPTED.fullmatch(kept.mime) else kept.mime
    part = _part(wanted, len(data))
    if part is None:
        return Response(data, headers=headers | {"Content-Type": kind})
    if not part:
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{len(data)}"})
    span = f"bytes {part.start}-{part.stop - 1}/{len(data)}"
    return Response(
        data[part.start : part.stop], 206, headers=headers | {"Content-Type": kind, "Content-Range": span}
    )


def _disposition(kept: Kept) -> str:
    """RFC 6266, 4: the name in UTF-8 only, as every browser of today reads it."""
    place = "inline" if _SHOWN.fullmatch(kept.mime) and not _SCRIPTED.fullmatch(kept.mime) else "attachment"
    return f"{place}; filename*=UTF-8''{quote(kept.name, safe='')}" if kept.name else place


def _part(wanted: str, size: int) -> range | None:
    """The bytes that are wanted, none where there are no such; None where all are (also for several parts)."""
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        return range(max(0, size - int(found[2])), size)
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    return range(int(found[1]), last + 1)
