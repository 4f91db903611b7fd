"""Plain text of old Chinese books in the tagged form that their transcriptions share becomes text with headings.

| in the file | becomes |
|---|---|
| ``<篇名>`` and the words after it | a heading |
| ``<目录>`` and a path; ``书名：``, ``作者：``, ``朝代：``, ``年份：`` | nothing: contents and head of the file |
| ``属性：`` or ``内容：`` at the beginning of a line | nothing: the text goes on |
| a line ``\\x`` words ``\\x`` | a heading below |
| any other ``\\x`` | nothing: the words between two of them stay |
| ``\\p01-a1.bmp\\r``, ``\\r`` | nothing: a picture, a line of the print |
"""

from __future__ import annotations

import re

_CHAPTER = re.compile(r"[ \t　]*<篇名>[ \t　]*(.*?)[ \t　]*$")
_HEAD = re.compile(r"[ \t　]*(?:<目录>|(?:书名|作者|朝代|年份)[：:])")
_TITLE = re.compile(r"^[ \t　]*书名[：:][ \t　]*(\S.*?)[ \t　]*$", re.MULTILINE)
_FIELD = re.compile(r"^[ \t　]*(?:属性|内容)[：:][ \t　]*")
_PICTURE = re.compile(r"\\p[\w.-]+\.(?:bmp|jpg|gif|png)(?:\\r)?|\\r", re.IGNORECASE)
_LINE_OF_ITS_OWN = re.compile(
    r"[ \t　]*\\x[ \t　]*([^\\]{1,40}?)[ \t　]*\\x[ \t　]*([（(][^（）()]{1,20}[）)])?[ \t　]*$"
)


_NUMBER = re.compile(r"[ \t　]*(?:\d{1,3}[.．](?!\d)|[一二三四五六七八九十百]{1,5}、)")
"""How the articles of a chapter begin."""


def is_tagged(text: str) -> bool:
    """Whether a text is in this form: it holds a line that begins with ``<篇名>``."""
    return re.search(r"^[ \t　]*<篇名>", text, re.MULTILINE) is not None


def headed(text: str) -> tuple[str, str, list[int]]:
    """(the title that the text states, the text with headings and without tags, the source's line of each line).

    The title is empty where none is stated. Every character that is no tag stays.
    """
    stated = _TITLE.search(text)
    title = stated[1] if stated else ""
    lines: list[str] = []
    places: list[int] = []
    above, is_below, is_numbered = "", False, False
    for number, line in enumerate(text.split("\n"), 1):
        chapter = _CHAPTER.match(line)
        if _HEAD.match(line) or (chapter and chapter[1] in ("", title)):
            continue
        line = _PICTURE.sub("", _FIELD.sub("", line))
        own = _LINE_OF_ITS_OWN.match(line)
        if chapter:
            above, is_below, is_numbered = chapter[1], False, False
        goes_on = _NUMBER.match(line) is not None
        if goes_on and is_below and is_numbered:  # the chapter's next article: it is not part of the recipe before it
            lines += ["", f"## {above}", ""]
            places += [number] * 3
            is_below = False
        is_numbered, is_below = is_numbered or (goes_on and not is_below), is_below or own is not None
        made = _made(chapter, own, line)
        lines += made
        places += [number] * len(made)
    return title, "\n".join(lines), places


def _made(chapter: re.Match[str] | None, own: re.Match[str] | None, line: str) -> list[str]:
    if chapter:
        return ["", f"## {chapter[1]}", ""]
    return ["", f"### {own[1]}{own[2] or ''}", ""] if own else [line.replace("\\x", "")]
