"""What a model refuses is left out: the field where the field was refused, the value where the value was."""

from __future__ import annotations

import pytest

from bot.endpoints.learned import Learned
from bot.endpoints.report import Report

FIELDS = {"size": "1x1", "quality": "superb", "n": 3}
DROPPABLE = ("size", "quality", "n")


@pytest.mark.parametrize(
    ("report", "name", "whole"),
    [
        (Report(400, "Unknown parameter: 'size'.", code="unknown_parameter", param="size"), "size", True),
        (Report(400, "Unsupported parameter: 'quality'"), "quality", True),
        (
            Report(422, "Extra inputs are not permitted (body.n)", type="extra_forbidden", param="n"),
            "n",
            True,
        ),
        (Report(400, "Unrecognized request argument supplied: quality"), "quality", True),
        (Report(400, "quality is not available here"), "quality", True),
        (Report(400, "Invalid value: '1x1'. Supported values are: 'auto'.", param="size"), "size", False),
        (Report(400, "Invalid size '1x1'. Width and height must be divisible by 16."), "size", False),
        (Report(400, "n must be at most 1", code="invalid_value"), "n", False),
        (Report(400, "Input should be 'low' or 'high' (quality)", param="quality"), "quality", False),
    ],
)
def test_the_field_or_its_value_is_left_out(report: Report, name: str, whole: bool) -> None:
    learned = Learned()
    assert learned.learn("m", report, FIELDS, DROPPABLE) == name

    assert set(FIELDS) - set(learned.kept("m", FIELDS)) == {name}
    others = {field: f"{value}0" for field, value in FIELDS.items()}
    assert (name in learned.kept("m", others)) is not whole
    assert learned.kept("another", FIELDS) == FIELDS


@pytest.mark.parametrize(
    "report",
    [
        Report(400, "The prompt is too short", param="prompt"),
        Report(400, "Unknown parameter: 'colour'."),
        Report(400, "It did not work."),
        Report(400, "Unknown parameter: 'size'.", param="mask"),
    ],
)
def test_what_cannot_be_left_out_changes_nothing(report: Report) -> None:
    learned = Learned()
    assert learned.learn("m", report, FIELDS, DROPPABLE) == ""
    assert learned.kept("m", FIELDS) == FIELDS


def test_what_is_none_is_not_sent() -> None:
    assert Learned().kept("m", {"a": None, "b": 0, "c": ""}) == {"b": 0, "c": ""}


def test_it_remembers_a_bounded_number_of_models_and_values() -> None:
    learned = Learned()
    for number in range(300):
        refused = Report(400, f"Invalid value: '{number}'", param="size")
        learned.learn("m", refused, {"size": number}, DROPPABLE)
        learned.learn(f"m{number}", refused, {"size": number}, DROPPABLE)

    assert learned.kept("m0", {"size": 0}) == {"size": 0}, "the oldest model is forgotten"
    assert learned.kept("m299", {"size": 299}) == {}
    assert sum("size" not in learned.kept("m", {"size": number}) for number in range(300)) <= 32
