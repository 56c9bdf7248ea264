"""Which of our three languages serves a person, for what an adapter says of its own: the core answers the same."""

from __future__ import annotations

_CHINESE = frozenset({"zh", "cmn", "yue"})
_TRADITIONAL = frozenset({"hant", "tw", "hk", "mo", "yue"})  # CLDR's likely subtags for regions and Cantonese


def column(tag: str) -> int:
    """0 for English, 1 and 2 for simplified and traditional Chinese: what serves a BCP 47 tag (`zh-TW`, `zh_CN`)."""
    primary, *subtags = tag.lower().replace("_", "-").split("-")
    if primary not in _CHINESE:
        return 0
    return 1 if "hans" in subtags or _TRADITIONAL.isdisjoint({primary, *subtags}) else 2
