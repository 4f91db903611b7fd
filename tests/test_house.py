"""The house keeps its shape: sizes, no function that knows the sample, nothing of this machine, quick start."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "huatuo"
FILE_LINES, FUNCTION_LINES, PARAMETERS = 420, 70, 8


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES
    for function in functions(path):
        assert (function.end_lineno or 0) - function.lineno < FUNCTION_LINES, function.name
        arguments = function.args
        assert len(arguments.args) + len(arguments.kwonlyargs) <= PARAMETERS + 1, function.name


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(SOURCE).as_posix())
def test_public_functions_and_classes_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    public = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
    ]
    assert ast.get_docstring(tree) or path.name == "__main__.py"
    assert [node.name for node in public if not ast.get_docstring(node)] == []


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
    found = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path in files
        for name in names
        if name in path.read_text(encoding="utf-8")
    ]
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
