"""What the demo answers: a few rules over the messages that it was sent, the first that fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.demo.arithmetic import calculate, shown
from bot.demo.pictures import Sight
from bot.demo.words import CODE, WORDS

MOST = 200
"""How far it counts."""

_SHORT = 60  # characters; "table" in a longer message is hardly a wish for a table
_LONGEST_QUOTE = 300
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_WORD = re.compile(rf"{_HAN.pattern}|(?:(?!{_HAN.pattern})\w)+")
_PIECE = re.compile(r"[\u3000-\u9fff\uff00-\uffef]{1,2}\s*|[^\s\u3000-\u9fff\uff00-\uffef]+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Talk:
    """What the demo was sent: the role, the earlier messages of the person, the last one, and how it began.

    `first`: no answer was given before; `more`: something other than text came along; `seen`: the pictures of the
    last message.
    """

    role: str
    earlier: Sequence[str]
    said: str
    first: bool
    more: bool = False
    seen: Sequence[Sight] = ()

    @property
    def language(self) -> str:
        """`zh` where the last message has Chinese characters, else `en`."""
        return "zh" if _HAN.search(self.said) and not _KANA.search(self.said) else "en"

    def say(self, key: str, /, **values: str | int) -> str:
        """The demo's words in the person's language."""
        return WORDS[self.language][key].format(**values) if values else WORDS[self.language][key]


def answer(talk: Talk) -> str:
    """The answer, in Markdown. The same messages have the same answer."""
    said = talk.said.strip()
    found = next((text for rule in _RULES if (text := rule(talk, said)) is not None), None)
    if found is None:
        found = _reflect(talk, said)
    return f"{talk.say('intro')}\n\n{found}" if talk.first else found


def pieces(text: str) -> list[str]:
    """`text` in the pieces in which it streams: words, or one or two Chinese characters. Joined they are `text`."""
    return _PIECE.findall(text)


def _quoted(text: str) -> str:
    text = text.strip()
    if len(text) > _LONGEST_QUOTE:
        text = f"{text[:_LONGEST_QUOTE]}…"
    return "\n".join(f"> {line}" for line in text.splitlines() or [""])


_SCRIPTS = zip("复么谁会谢见头码单长数请于开帮", "複麼誰會謝見頭碼單長數請於開幫", strict=True)
_BOTH = str.maketrans({simplified: f"[{simplified}{traditional}]" for simplified, traditional in _SCRIPTS})


def _pattern(text: str) -> re.Pattern[str]:
    """A rule's pattern, written in simplified characters and read in both."""
    return re.compile(text.translate(_BOTH), re.IGNORECASE | re.DOTALL)


# --- the rules: each answers, or leaves it to the next one ---------------------------------------------------

_Rule = Callable[[Talk, str], str | None]

_REPEAT = _pattern(
    r"(?:please )?(?:repeat(?: after me)?|echo)[:,\s]+(.+)|请?(?:重复|复述)(?:一下|一遍)?[：:，,\s]*(.+)"
)
_RECALL = _pattern(
    r"what (?:did|have) i (?:just )?(?:say|said|ask|asked|write|written|tell)"
    r"|我.{0,6}[说說问問讲講写寫]了?[过過]?(?:什么|啥)"
)
_FIRST = _pattern(r"first|begin|start|最先|最早|第一|开头|一开始")
_COUNT = _pattern(r"\bcount (?:up )?to (\d{1,9})|数(?:数|一数)?到\s*(\d{1,9})")
_WHAT_NAME = _pattern(
    r"what(?:'s|’s| is) my name|do you (?:know|remember) my name|我(?:的名字)?(?:叫|是)(?:什么|啥|谁)"
)
_MY_NAME = _pattern(
    r"my name is\s+([^\s.,!?][^.,!?\n]{0,40})|我(?:叫|的名字[是叫])\s*([^\s。，,!！?？\n]{1,20})"
)
_ROLE = _pattern(
    r"who are you|what are you\b|what(?:'s|’s| is) your (?:role|job|name)"
    r"|你(?:到底)?是(?:谁|什么)|你(?:的|扮演).{0,4}角色|你叫什么"
)
_ASKED = _pattern(
    r"^(?:what(?:'s|’s| is)|how much is|calculate|compute|请?计算|算一下|算)[:：\s]*"
    r"|(?:等于多少|是多少|等于几)?\s*[=＝]?\s*[?？]?\s*$"
)
_HELLO = _pattern(
    r"(?:hi|hello|hey|good (?:morning|afternoon|evening)|你好|您好|嗨|哈喽|早上好|晚上好)(?:[\s,，!！.。~]+\S*)?"
)
_THANKS = _pattern(r"(?:thanks|thank you|thx)\b.*|(?:谢谢|多谢|感谢).*")
_BYE = _pattern(r"(?:bye|goodbye|good night|再见|拜拜|晚安)[!！.。~]*")
_HELP = _pattern(r"help|what can (?:you|i) (?:do|try).*|帮助|你(?:能|会|可以)(?:做|干)?(?:什么|啥).*")
_CODE = _pattern(r"\bcode\b|代码")
_CODE_LANGUAGE = _pattern(r"python|javascript|\bgo\b|rust|sql|bash")
_SAMPLES = (
    ("markdown", _pattern(r"markdown")),
    ("table", _pattern(r"\btable\b|表格")),
    ("list", _pattern(r"\blist\b|列表|清单")),
    ("long", _pattern(r"\blong\b|长文|长一点|很长")),
)


def _look(talk: Talk, said: str) -> str | None:
    if not talk.seen:
        return None
    told = []
    for sight in talk.seen:
        colours = talk.say("and").join(talk.say(f"colour {name}") for name in sight.colours)
        told.append(
            talk.say("seen", width=sight.width, height=sight.height, colours=colours or talk.say("many"))
        )
    return "\n\n".join([*told, talk.say("not seen")])


def _repeat(talk: Talk, said: str) -> str | None:
    match = _REPEAT.fullmatch(said)
    return (match[1] or match[2]).strip() if match else None


def _recall(talk: Talk, said: str) -> str | None:
    if not _RECALL.search(said):
        return None
    if not talk.earlier:
        return talk.say("nothing before")
    if _FIRST.search(said):
        return talk.say("said first", count=len(talk.earlier), quote=_quoted(talk.earlier[0]))
    return talk.say("said last", count=len(talk.earlier), quote=_quoted(talk.earlier[-1]))


def _count(talk: Talk, said: str) -> str | None:
    match = _COUNT.search(said)
    if match is None:
        return None
    wanted = int(match[1] or match[2])
    numbers = ", ".join(str(n) for n in range(1, min(max(wanted, 1), MOST) + 1))
    return f"{talk.say('count bounded', limit=MOST)}{numbers}" if wanted > MOST else numbers


def _what_name(talk: Talk, said: str) -> str | None:
    if not _WHAT_NAME.search(said):
        return None
    for text in reversed(talk.earlier):
        if (match := _MY_NAME.search(text)) and not _WHAT_NAME.search(text):
            return talk.say("name known", name=(match[1] or match[2]).strip())
    return talk.say("name unknown")


def _my_name(talk: Talk, said: str) -> str | None:
    match = _MY_NAME.search(said)
    return talk.say("name noted", name=(match[1] or match[2]).strip()) if match else None


def _role(talk: Talk, said: str) -> str | None:
    if not _ROLE.search(said):
        return None
    if not talk.role.strip():
        return talk.say("no role")
    first = re.split(r"(?<=[.!?])\s|(?<=[。！？])|\n", talk.role.strip(), maxsplit=1)[0]
    return talk.say("role", quote=_quoted(first))


def _arithmetic(talk: Talk, said: str) -> str | None:
    expression = _ASKED.sub("", said).strip()
    try:
        value = calculate(expression)
    except ZeroDivisionError:
        return talk.say("by zero")
    except OverflowError:
        return talk.say("too large")
    # As code: a lone `*` would begin emphasis.
    return talk.say("result", expression=f"`{expression}`", value=shown(value)) if value is not None else None


def _sample(talk: Talk, said: str) -> str | None:
    if len(said) > _SHORT:
        return None
    if _CODE.search(said):
        asked = _CODE_LANGUAGE.search(said)
        fence = asked[0].lower() if asked else "python"
        language, code = CODE[fence]
        return talk.say("code", language=language, fence=fence, code=code)
    return next((talk.say(name) for name, pattern in _SAMPLES if pattern.search(said)), None)


def _courtesy(talk: Talk, said: str) -> str | None:
    if _HELLO.fullmatch(said):
        between = " " if talk.language == "en" else ""
        return f"{talk.say('hello')}{between}{talk.say('try')}"
    if _THANKS.fullmatch(said) and len(said) <= _SHORT:
        return talk.say("thanks")
    if _BYE.fullmatch(said):
        return talk.say("bye")
    return talk.say("try") if _HELP.fullmatch(said) and len(said) <= _SHORT else None


def _reflect(talk: Talk, said: str) -> str:
    if said:
        count = len(_WORD.findall(said))
        words = talk.say("one word") if count == 1 else talk.say("words", count=count)
        text = talk.say("reflect", words=words, quote=_quoted(said))
    else:
        text = talk.say("picture" if talk.more else "empty")
    return f"{text}{talk.say('try')}"


_RULES: tuple[_Rule, ...] = (
    _look,
    _repeat,
    _recall,
    _count,
    _what_name,
    _my_name,
    _role,
    _arithmetic,
    _courtesy,
    _sample,
)
