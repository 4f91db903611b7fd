"""Records of a graph, written as a file of lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_lines(path: Path, values: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in values), "utf-8")
    return path
