"""Environments of their own for systems that pin other packages: made once, kept outside the checkout.

``NAME.txt`` beside this file holds the requirements. ``HUATUO_BENCH_WORK`` names the folder of the environments
(``~/.cache/huatuo-bench``). A line ``# without: PACKAGE`` names one that is removed again: it came along as a
dependency, in a build that does not fit this torch.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs.task import Task

HERE = Path(__file__).parent
WITHOUT = "# without: "


def folder() -> Path:
    """Where environments and results of benchmarks may lie."""
    return Path(os.environ.get("HUATUO_BENCH_WORK") or Path.home() / ".cache" / "huatuo-bench")


def python_of(name: str) -> tuple[Path, str]:
    """The interpreter of an environment, made where it is not there yet, and why there is none (empty: there is)."""
    wanted = (HERE / f"{name}.txt").read_text(encoding="utf-8")
    place = folder() / name
    python, said = place / "bin" / "python", place / "installed.txt"
    if said.exists() and said.read_text(encoding="utf-8") == wanted:
        return python, ""
    print(f"installing {name} into {place}", flush=True)
    venv.create(place, clear=True, with_pip=True)
    removed = [line.removeprefix(WITHOUT).strip() for line in wanted.splitlines() if line.startswith(WITHOUT)]
    steps = [["install", "-q", "-r", str(HERE / f"{name}.txt")]]
    steps += [["uninstall", "-q", "-y", *removed]] if removed else []
    for step in steps:
        done = subprocess.run([str(python), "-m", "pip", *step], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or [f"pip ended with {done.returncode}"])[-1]
            return python, f"{name} does not install: {reason[:300]}"
    said.write_text(wanted, encoding="utf-8")
    return python, ""


def variables() -> dict[str, str]:
    """The environment variables of a system that is measured: one thread, nothing from outside."""
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "HUATUO_QUIET": "1"}
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {**kept, **quiet, **one, "DISABLE_VERSION_CHECK": "1"}


def own_path() -> dict[str, str]:
    """What huatuo's own process needs beside `variables` to find the same huatuo as this one."""
    import huatuo

    return {"PYTHONPATH": str(Path(huatuo.__file__).parents[1])}


OWN = Path(sys.executable)
"""The interpreter of huatuo itself."""


def asked(script: str, environment: str, task: Task, limit_s: float) -> tuple[dict[str, Any], str]:
    """What a system's script said of a task, and why it could not be asked (empty: it could). ``environment``: the
    name of its own; empty: huatuo's."""
    python, why = python_of(environment) if environment else (OWN, "")
    if why:
        return {}, why
    command = [str(python), str(HERE / script), json.dumps(asdict(task))]
    given = variables() | ({} if environment else own_path())
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, env=given, timeout=limit_s, check=False, cwd=task.work
        )
    except subprocess.TimeoutExpired:
        return {}, f"not finished within {limit_s:,.0f} s"
    if done.returncode:
        return {}, (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said, ""
