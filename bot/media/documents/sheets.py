"""Excel files: every sheet as a table of the values that were last calculated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time

import openpyxl
from openpyxl.workbook import Workbook

from bot.errors import Unreadable
from bot.media.documents.draft import Draft, row
from bot.media.documents.package import FAULTS, checked

_ROWS = 20_000  # looked at in each sheet; a sheet may claim a million
_COLUMNS = 200


def read(data: bytes) -> Draft:
    """The tables. Raises `TooMuch`, `Encrypted`, `Unreadable`."""
    package = checked(data, "XLSX")
    try:
        book = openpyxl.load_workbook(package, read_only=True, data_only=True, keep_links=False)
    except FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="XLSX") from error
    draft = Draft((), book.properties.title or "", len(book.worksheets), gap="\n")
    draft.pieces = _sheets(book, draft)
    return draft


def _sheets(book: Workbook, draft: Draft) -> Iterator[str]:
    try:
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what a file claims of its size need not be true
            begun = False
            for number, cells in enumerate(sheet.iter_rows(values_only=True, max_col=_COLUMNS)):
                if number >= _ROWS:
                    draft.cut = True
                    break
                filled = _filled(cells)
                if not filled:
                    continue
                if begun:
                    yield row(filled)
                else:
                    yield f"\n## {sheet.title}\n\n{row(filled)}\n|{' --- |' * len(filled)}"
                begun = True
    except FAULTS as error:
        raise Unreadable(f"{type(error).__name__}: {error}", kind="XLSX") from error


def _filled(cells: tuple[object, ...]) -> list[str]:
    """The cells as text, without the empty ones at the end."""
    words = [_shown(cell) for cell in cells]
    while words and not words[-1]:
        words.pop()
    return words


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    if isinstance(cell, datetime | date):
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
