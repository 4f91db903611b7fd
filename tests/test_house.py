"""The house keeps its shape: sizes, no function that knows the sample, nothing of this machine, quick start."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "huatuo"
FILE_LINES, FUNCTION_LINES, PARAMETERS = 420, 70, 8


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


parsed = functools.cache(ast.parse)


def too_big(source: str) -> Iterator[str]:
    """What of a file is longer, or takes more, than the house allows."""
    if len(source.splitlines()) > FILE_LINES:
        yield f"more than {FILE_LINES} lines"
    for node in ast.walk(parsed(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES:
                yield f"{node.name}: more than {FUNCTION_LINES} lines"
            if len(node.args.args) + len(node.args.kwonlyargs) > PARAMETERS + 1:
                yield f"{node.name}: more than {PARAMETERS} parameters"


def undocumented(source: str) -> Iterator[str]:
    """What of a file is public and says nothing of itself."""
    tree = parsed(source)
    if not ast.get_docstring(tree):
        yield "the file"
    public = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name[0] != "_"]
    yield from (node.name for node in public if not ast.get_docstring(node))


def test_files_and_functions_stay_small() -> None:
    long = "def f(a, b, c, d, e, f, g, h, *, i, j): ...\n" + "async def g():\n" + "    1\n" * 500
    assert list(too_big(long)) == ["more than 420 lines", "f: more than 8 parameters", "g: more than 70 lines"]
    assert [f"{p.relative_to(SOURCE)}: {what}" for p in modules() for what in too_big(p.read_text("utf-8"))] == []


def test_public_functions_and_classes_are_documented() -> None:
    assert list(undocumented("def f(): ...\nclass C: ...\ndef _g(): ...")) == ["the file", "f", "C"]
    found = {
        path.relative_to(SOURCE).as_posix(): missing
        for path in modules()
        if (
            missing := [
                w for w in undocumented(path.read_text("utf-8")) if (path.name, w) != ("__main__.py", "the file")
            ]
        )
    }
    assert found == {}


def sample_names() -> set[str]:
    names = set()
    for path in (SOURCE / "sample" / "knowledge").glob("*.jsonl"):
        for line in path.read_text(encoding="utf-8").splitlines():
            names.add(json.loads(line)["中心词"])
    return names


def test_no_function_knows_the_sample() -> None:
    """Names of sample entities stand nowhere in the code outside sample/ (prompt files and docstrings included)."""
    names = sample_names()
    assert len(names) >= 120
    files = [p for p in SOURCE.rglob("*") if p.suffix in {".py", ".toml", ".txt", ".j2"} and "sample" not in p.parts]
    texts = {path.relative_to(SOURCE): path.read_text(encoding="utf-8") for path in files}
    found = [f"{path}: {name}" for path, text in texts.items() for name in names if name in text]
    assert found == []


def test_the_project_speaks_of_itself_alone() -> None:
    words = re.compile(r"/work/|/tmp/bash|index-url|\.library|shared/(DESIGN|notes|seeds|tools)|\bTODO\b|\bFIXME\b")
    tracked = [p for folder in ("src", "docs", "bench") for p in (ROOT / folder).rglob("*")] + list(ROOT.glob("*.md"))
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in tracked
        if path.suffix in {".py", ".md", ".toml", ".txt", ".j2"}
        if (match := words.search(path.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_tests_run_in_any_order_and_selection() -> None:
    """``conftest`` is the one of the folder that pytest came to last: what tests share has a name of its own, once."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert len(files) > 200
    names = Counter(path.stem for path in files if path.stem != "conftest")
    assert [name for name, count in names.items() if count > 1] == []
    line = re.compile(r"^[ \t]*(?:from|import)[ \t].*\bconftest\b|^[ \t]*(?:from|import) tests\b", re.MULTILINE)
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files}
    assert [f"{name}: {found}" for name, text in texts.items() for found in line.findall(text)] == []


def test_help_answers_at_once_and_imports_nothing_heavy() -> None:
    code = "import sys, huatuo.cli; print(sorted(m for m in ('torch', 'pyarrow', 'numpy', 'rich') if m in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
    spent = []
    for _ in range(3):
        start = time.process_time(), time.perf_counter()
        subprocess.run([sys.executable, "-m", "huatuo", "--help"], capture_output=True, check=True)
        spent.append(time.perf_counter() - start[1])
    assert min(spent) < 1.5  # half a second on a quiet machine; the bound allows for a busy one


def test_pins_carry_no_local_label() -> None:
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert len(pins) > 40
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9_.]+", pin)] == []
