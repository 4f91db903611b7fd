"""A large making of pairs cut into parts, which any number of processes and machines that share a folder work on.

Every process runs the same command and goes through the parts in their order. It takes a part that nobody has, makes it
as a run of its own in ``parts/007-of-040``, and goes on; a part that is finished is recognised by its keys and never
made again. Nobody hands parts out, so any process may be added or killed at any time.

The claim on a part is the lock that the kernel holds on its folder: it has no age, and ends with the process that has
it, so the part of a killed process is free at once. NFS 4, CephFS, GPFS, and Lustre mounted with ``flock`` carry locks
from machine to machine; a mount that does not would give a part to two. Therefore whoever has a part writes a heartbeat
beside it. A part whose last owner was another machine is watched before it is begun: where the heart still beats, the
lock was worthless, and that is an error.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

from huatuo.errors import BusyError, DataError, RefusedError, WaitingError
from huatuo.files import canonical_json, locked, write_atomic
from huatuo.progress import say
from huatuo.recipe import Recipe

FOLDER = "parts"
"""Folder of a run that holds the parts."""

BEAT_S = 10.0
"""Seconds between two heartbeats."""

WATCHED_S = 45.0
"""Seconds for which the heart of another machine may stand still: four beats, and half a minute of a slow share's
cache (attributes of NFS are cached for up to 60 s, but the file is opened anew, which asks the server)."""

POLL_S = 5.0
"""Seconds between two looks at parts that others have."""


def name_of(number: int, parts: int) -> str:
    """The name of a part's folder, from 1."""
    width = len(str(parts))
    return f"{number:0{width}}-of-{parts:0{width}}"


def folder_of(recipe: Recipe, root: Path, number: int) -> Path:
    """The folder of a part of the recipe's run, from 1."""
    return root / FOLDER / name_of(number, recipe.synth.parts)


def part_of(recipe: Recipe, number: int, parts: int = 0) -> Recipe:
    """The recipe of one part, from 1: its passages alone, and its share of what may be spent.

    ``parts``: of how many, where it is not the recipe's own number.
    """
    parts = parts or recipe.synth.parts
    documents = tuple(d.model_copy(update={"shard": f"{number}/{parts}"}) for d in recipe.ingest.documents)
    teacher = recipe.synth.teacher
    limits = {
        "max_cost": None if teacher.max_cost is None else teacher.max_cost / parts,
        "max_tokens_total": None if teacher.max_tokens_total is None else teacher.max_tokens_total // parts,
    }
    synth = recipe.synth.model_copy(update={"parts": 0, "teacher": teacher.model_copy(update=limits)})
    ingest = recipe.ingest.model_copy(update={"documents": documents})
    return recipe.model_copy(update={"ingest": ingest, "synth": synth})


# ---------------------------------------------------------------- the claim


def _machine() -> str:
    """What tells one machine from another: processes under one kernel see its locks, whatever they call the host."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return boot.read_text(encoding="ascii").strip() if boot.exists() else platform.node()


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold the claim on a part for the length of the block.

    Raises BusyError where another process has it, DataError where the share does not carry locks between machines.
    """
    with locked(folder):
        note = folder.with_name(f"{folder.name}.owner.json")
        _watch(note)
        _beat(note, 0)
        ended = Event()
        heart = Thread(target=_go_on_beating, args=(note, ended), daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()
            note.unlink(missing_ok=True)


def _beat(note: Path, beat: int) -> None:
    """Write who has the part, and how often this was written."""
    owner = {"machine": _machine(), "host": platform.node(), "process": os.getpid(), "beat": beat}
    write_atomic(note, canonical_json(owner))


def _go_on_beating(note: Path, ended: Event) -> None:
    beat = 0
    while not ended.wait(BEAT_S):
        beat += 1
        try:
            _beat(note, beat)
        except OSError as error:  # the work itself will meet the same and end; a missed beat does no harm
            say(f"{note}: no heartbeat ({error.strerror})")


def owner_of(folder: Path) -> dict[str, object]:
    """Machine, host, process and beat of the last owner of a part; empty where it was given back."""
    try:
        found: dict[str, object] = json.loads(folder.with_name(f"{folder.name}.owner.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def _watch(note: Path) -> None:
    """Nothing, where the last owner is dead. Raises DataError where another machine's heart goes on."""
    folder = note.with_name(note.name.removesuffix(".owner.json"))
    before = owner_of(folder)
    if before.get("machine", _machine()) == _machine():
        return  # this kernel would have kept the lock
    say(f"{folder}: was left by {before.get('host')}; watching for {WATCHED_S:.0f} s whether it is at work")
    end = time.monotonic() + WATCHED_S
    while time.monotonic() < end:
        time.sleep(min(POLL_S, WATCHED_S / 4))
        if owner_of(folder) != before:
            raise DataError(
                f"{folder}: {before.get('host')} is at work here, although this machine was given the lock: this mount "
                "does not carry locks between machines; expected one that does (NFS 4, CephFS, Lustre with -o flock); "
                "next: mount it so, or run on one machine"
            )


# ---------------------------------------------------------------- every part


def make_parts(recipe: Recipe, root: Path, work: Callable[[Recipe, Path], str]) -> None:
    """Nothing, once every part is finished, by this process or by others.

    ``work`` makes a part in a folder, or finds it finished, and says what it is. A part that waits for answers by file,
    or has reached its share of a limit, does not keep the others waiting; then the first of these errors is raised, as
    is at once whatever else ``work`` raises.
    """
    parts = recipe.synth.parts
    left, stopped = list(range(1, parts + 1)), []
    while left:
        busy = []
        for number in left:
            folder = folder_of(recipe, root, number)
            with ExitStack() as claim:
                try:
                    claim.enter_context(claimed(folder))
                except BusyError:
                    busy.append(number)
                    continue
                try:
                    say(f"part {number} of {parts}: {work(part_of(recipe, number), folder)}")
                except (RefusedError, WaitingError) as error:
                    stopped.append(type(error)(f"part {number} of {parts}, with 1/{parts} of every limit: {error}"))
                    say(str(stopped[-1]))
        if busy:
            _wait(recipe, root, busy, said=busy == left)
        left = busy
    if stopped:
        first = min(stopped, key=lambda error: isinstance(error, WaitingError))
        raise type(first)(f"{len(stopped):,} of {parts:,} parts are not finished; the first: {first}")


def _wait(recipe: Recipe, root: Path, busy: list[int], said: bool) -> None:
    """Wait a little for parts that others have; say so once."""
    if not said:
        owners = [(number, owner_of(folder_of(recipe, root, number))) for number in busy]
        who = ", ".join(f"{number} ({owner.get('host')}, process {owner.get('process')})" for number, owner in owners)
        say(f"waiting for the parts that others make: {who}")
    time.sleep(POLL_S)
