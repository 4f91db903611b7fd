"""What the documents say is run: every recipe, mapping, record and command of README and guides, and every link."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from huatuo import recipe_file, show, store
from huatuo.cli import cli
from huatuo.knowledge import mapping as mappings
from huatuo.records import Figure
from test_cli import diseases, huatuo

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src/huatuo/recipes").glob("*.md")])
GUIDE = ROOT / "docs/guides/own-graph.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """The words of each command line of a page, without its comment."""
    lines = [line.partition(" #")[0].split() for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in lines if line]


def verb_of(line: list[str]) -> tuple[str, ...]:
    """The verb of a command line, with the verb within it where it is a group."""
    return tuple(line[1:3]) if isinstance(cli.commands.get(line[1]), click.Group) else (line[1],)


@functools.cache
def helped(verb: tuple[str, ...]) -> str:
    """What a verb says of itself."""
    said = CliRunner().invoke(cli, [*verb, "--help"], terminal_width=100)
    assert said.exit_code == 0, verb
    return said.output


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in commands(page):
        if line[0] == "make":
            assert line[1] in targets, line
        if line[0] == "huatuo":
            options = [word for word in line[2:] if word.startswith("-")]
            assert [option for option in options if option not in helped(verb_of(line))] == [], line


def test_the_guides_recipe_mapping_and_record_are_read(tmp_path: Path) -> None:
    mapping, recipe, held_out, *rest = blocks(GUIDE, "toml")
    assert all("{entity}" in wording for wordings in tomllib.loads(held_out).values() for wording in wordings)
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    assert mappings.load(tmp_path / "m.toml")
    (tmp_path / "mine.toml").write_text("\n".join([recipe, *rest]), encoding="utf-8")
    loaded = recipe_file.load(tmp_path / "mine.toml")
    assert (loaded.run.name, loaded.synth.teacher.kind) == ("mine", "endpoint")
    assert json.loads(blocks(GUIDE, "json")[0])["中心词"]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the guide's reader has it: a graph, documents, and the guide's recipe, trained for three steps."""
    folder = tmp_path_factory.mktemp("hospital")
    records = diseases(200)
    for name in ("graph.jsonl", "my_graph.jsonl"):
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "documents").mkdir()
    for i in range(20):
        text = f"# 第{i}号护理常规\n\n患者入院后应先测量体温和血压，再由护士记录在第{i}号表格中，并告知家属探视时间。\n"
        (folder / "documents" / f"{i}.md").write_text(text, encoding="utf-8")
    recipe = re.sub(r"^\[train\].*$", "[train]\nsteps = 3", blocks(GUIDE, "toml")[1], flags=re.MULTILINE)
    (folder / "held_out.toml").write_text(blocks(GUIDE, "toml")[2], encoding="utf-8")
    for name in ("mine", "my"):
        (folder / f"{name}.toml").write_text(recipe.replace('"mine"', f'"{name}"'), encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", GUIDE], ids=["README", "guide"])
def test_the_commands_of_a_page_work_in_their_order(hospital: Path, page: Path) -> None:
    run = [line for line in commands(page) if line[0] == "huatuo"]
    assert len(run) >= 4
    for line in run:
        done = huatuo(*line[1:], cwd=hospital)
        assert done.returncode == 0, (line, done.stderr)
        assert (done.stdout + done.stderr).strip(), line


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_front_page_is_one_screen(name: str) -> None:
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 70


def test_the_scores_of_a_run_are_lines_for_people(tmp_path: Path) -> None:
    figures = [("held-out phrasings", "ours", 0.9, 0.85, 0.94), ("held-out phrasings", "base", 0.1, 0.05, 0.2)]
    figures += [("withheld entities", "ours", 0.0, 0.0, 0.2)]
    with store.writing(tmp_path / "score", stage="score", key="k") as out:
        for name, model, value, low, high in figures:
            out.write(
                "figures", Figure(name=name, model=model, metric="exact", value=value, low=low, high=high, n=1234)
            )
    lines = list(show.scores(tmp_path))
    assert len(lines) == 2
    assert "90.0 % [85.0, 94.0]" in lines[0]
    assert "n 1,234" in lines[0]
    assert "up to 20.0 % is possible" in lines[1]
