"""Run every benchmark of this folder, or the one named: print its table, append one JSON line to results.jsonl.

A benchmark is a module with ``run() -> Outcome`` that measures ours and the alternative in the same run.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SKIP = {"run.py"}


@dataclass
class Outcome:
    """What a benchmark measured."""

    figures: dict[str, float]
    ratios: dict[str, float] = field(default_factory=dict)
    n: int = 0
    table: list[str] = field(default_factory=list)
    skipped: str = ""


def peak_gb() -> float:
    """The most memory that this process has had. `getrusage` would also count what its parent had when it began it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e9


def cpu_name() -> str:
    """Model name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """Short hash of the commit, with a + where the tree differs from it."""
    out = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], capture_output=True, text=True, cwd=HERE, check=False
    )
    return out.stdout.strip()


def main() -> int:
    """Exit code: 1 when a named benchmark does not exist."""
    from huatuo.store import now, package_versions

    sys.path.insert(0, str(HERE))
    found = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.name not in SKIP}
    wanted = sys.argv[1:] or list(found)
    for name in wanted:
        if name not in found:
            sys.stderr.write(f"no benchmark {name!r}; there are: {', '.join(found)}\n")
            return 1
        spec = importlib.util.spec_from_file_location(name, found[name])
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        print(f"== {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        outcome = module.run()
        print("\n".join(outcome.table) or outcome.figures, flush=True)
        if outcome.skipped:
            print(f"skipped: {outcome.skipped}")
            continue
        line = {
            "name": name,
            "figures": outcome.figures,
            "ratios": outcome.ratios,
            "n": outcome.n,
            "commit": commit(),
            "versions": package_versions(),
            "machine": cpu_name(),
            "time": now(),
        }
        with (HERE / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.modules["run"] = sys.modules[__name__]
    sys.exit(main())
