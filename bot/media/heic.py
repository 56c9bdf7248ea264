"""HEIC, which iPhones take: decoded by libheif, and handed out a band at a time.

Runs in a process of the workshop, never in the bot's own.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pi_heif  # type: ignore[import-untyped]
from PIL import Image


class Heic:
    """The main picture of a HEIC file. `size` (pixels) is known before it is decoded, which `decode` does.

    It comes upright: a turn is a part of such a file (ISO/IEC 23008-12, 6.5.10 and 6.5.12), and what Exif says of it
    is for those who know nothing of that. Raises what libheif raises (`OSError`, `RuntimeError`, `ValueError`).
    """

    def __init__(self, data: bytes) -> None:
        pi_heif.options.DECODE_THREADS = 1  # the stack of each thread counts as memory
        pi_heif.options.DEPTH_IMAGES = False
        file = pi_heif.HeifFile(BytesIO(data))
        if not len(file):
            raise ValueError("no picture")
        self._image: Any = file[file.primary_index]
        self.size: tuple[int, int] = self._image.size

    def decode(self) -> None:
        """Decode it; its size may turn out otherwise. Raises `MemoryError`, too."""
        try:
            self._image.load()
        except RuntimeError as error:
            if "Memory allocation" in str(error) and "limit exceeded" not in str(error):
                raise MemoryError(str(error)) from error
            raise
        self.size = self._image.size

    def band(self, top: int, bottom: int) -> Image.Image:
        """The rows from `top` to before `bottom` of what was decoded, in RGB or RGBA."""
        image = self._image
        rows = image.data[top * image.stride : bottom * image.stride]
        size = self.size[0], bottom - top
        # A copy: the memory behind it ends with the file, whoever still looks at it.
        part = Image.frombytes(image.mode, size, rows, "raw", image.mode, image.stride)
        if part.mode in ("RGB", "RGBA"):
            return part
        return part.convert("RGBA" if image.has_alpha else "RGB")
