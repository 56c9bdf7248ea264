"""What models of one server refused, so that each field and value is refused only once."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Collection, Mapping

from bot.endpoints.report import Report

_REMEMBERED = 256  # models of one server
_VALUES = 32  # of one model
_ANY = ""  # in the place of a value: the field itself

_VALUE = re.compile(
    "|".join(
        (
            *(r"values?\b", "compatible", "must be", "should be", "expected", "one of", "divisible"),
            *("does not support", r"invalid (?:size|quality|voice|format)", r"at (?:most|least)"),
            *(r"(?:less|greater|larger|smaller|more) than", "maximum", "minimum"),
        )
    ),
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"(?:unknown|unsupported|unrecogni[sz]ed|unexpected|extra) (?:\w+ )?(?:param|arg|field|key|input|property)"
    r"|extra_forbidden|unknown_parameter|unsupported_parameter|not (?:permitted|allowed)",
    re.IGNORECASE,
)


class Learned:
    """Fields, and values of fields, that are left out for a model because it refused them."""

    def __init__(self) -> None:
        self._refused: OrderedDict[str, frozenset[tuple[str, str]]] = OrderedDict()

    def kept(self, model: str, fields: Mapping[str, object]) -> dict[str, object]:
        """Those of `fields` that the model takes, as far as is known; what is None is left out too."""
        refused = self._refused.get(model, frozenset())
        return {
            name: value
            for name, value in fields.items()
            if value is not None and not {(name, _ANY), (name, str(value))} & refused
        }

    def learn(
        self, model: str, report: Report, sent: Mapping[str, object], droppable: Collection[str]
    ) -> str:
        """Note the field that a refusal blames; its name, or nothing where none that may be left out is to blame."""
        name = _blamed(report, [field for field in droppable if field in sent])
        if not name:
            return ""
        said = f"{report.code} {report.type} {report.message}"
        value = str(sent[name]) if _VALUE.search(said) and not _FIELD.search(said) else _ANY
        refused = self._refused.get(model, frozenset()) | {(name, value)}
        self._refused[model] = refused if len(refused) <= _VALUES else frozenset({(name, value)})
        self._refused.move_to_end(model)
        if len(self._refused) > _REMEMBERED:
            self._refused.popitem(last=False)
        return name


def _blamed(report: Report, fields: list[str]) -> str:
    """The field that is at fault: by `param`, else in quotes, else by its bare name."""
    if report.param:
        root = next((part for part in re.split(r"[.\[\]]+", report.param) if part and part != "body"), "")
        return root if root in fields else ""
    quoted = re.findall(r"['\"`](\w+)['\"`]", report.message)
    bare = re.findall(r"\w+", report.message)
    return next((word for word in (*quoted, *bare) if word in fields), "")
