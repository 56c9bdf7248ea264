"""How loud a recording is, a fiftieth of a second at a time: where it is silent, and where it may be cut."""

from __future__ import annotations

from array import array

_WINDOW = 0.02  # seconds
_AUDIBLE = 184  # of 32,768: −45 dB, above the noise of a cheap microphone
_HEARD = 0.1  # seconds that must be audible for a recording not to be silent
_PAUSE = 15  # windows: a gap between words, not within one


class Levels:
    """The peaks of samples (16 bits, mono, `rate` a second) that are added piece by piece."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._width = int(rate * _WINDOW)
        self._rest = array("h")
        self._samples = 0
        self.peaks = array("H")

    def add(self, pcm: bytes) -> None:
        """Listen to some more."""
        self._rest.frombytes(pcm)
        self._samples += len(pcm) // 2
        width, whole = self._width, len(self._rest) - len(self._rest) % self._width
        for start in range(0, whole, width):
            window = self._rest[start : start + width]
            highest, lowest = max(window), min(window)  # each is one loop in C
            self.peaks.append(max(highest, -lowest))
        del self._rest[:whole]

    @property
    def duration(self) -> float:
        """In seconds."""
        return self._samples / self._rate

    @property
    def silent(self) -> bool:
        """Whether next to nothing can be heard."""
        return sum(peak > _AUDIBLE for peak in self.peaks) * _WINDOW < min(_HEARD, self.duration / 2)

    def quietest(self) -> float:
        """The middle of the quietest pause in the second half, in seconds."""
        first, last = len(self.peaks) // 2, len(self.peaks) - _PAUSE
        if last <= first:
            return self.duration
        loudness = [max(self.peaks[start : start + _PAUSE]) for start in range(first, last)]
        best = min(range(len(loudness)), key=lambda at: (loudness[at], -at))
        return (first + best + _PAUSE / 2) * _WINDOW
