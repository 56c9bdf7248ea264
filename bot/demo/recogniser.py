"""Hears English words, as a process of its own: samples come in on the standard input, words go out on the output.

The samples are 16-bit, one channel, 16,000 a second. It is apart from the bot because a decoder works for seconds.
"""

from __future__ import annotations

import importlib
import sys


def main() -> int:
    """Listen; 0 where it could, whether there were words or not."""
    # By name: it need not be installed, and nothing else needs it.
    decoder = importlib.import_module("pocketsphinx").Decoder(samprate=16_000, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(sys.stdin.buffer.read(), full_utt=True)
    decoder.end_utt()
    heard = decoder.hyp()
    sys.stdout.write(heard.hypstr if heard is not None else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
