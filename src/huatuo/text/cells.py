"""What sheets and pages can hold: the limits of a sheet, text that is no formula, characters that can be shown."""

from __future__ import annotations

import re

SHEET_ROWS = 1_048_576
"""Rows of a sheet, the header among them: the limit of the XLSX format."""

CELL_CHARS = 32_767
"""Characters of a cell: the limit of the XLSX format."""


def safe_cell(text: str) -> str:
    """The text with a leading ``'`` where a spreadsheet would take it for a formula (``= + - @``, tab, return)."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that no HTML page and no workbook may hold."""


def clean(text: str) -> str:
    """The text with characters that a page may not hold shown as the replacement character."""
    return _CONTROLS.sub("\ufffd", text)
