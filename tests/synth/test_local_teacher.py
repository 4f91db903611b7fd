"""A local model as teacher: behind the same cache, and its nonsense never becomes a pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from huatuo import recipe_file
from huatuo import run as running
from huatuo.errors import RecipeError, StageError
from huatuo.llm.cache import Cached
from huatuo.llm.local import LocalModel
from huatuo.llm.teachers import judge_of, teacher_of
from huatuo.models.save import save
from huatuo.recipe import JudgeSettings, SynthSettings
from huatuo.records import Dropped, Finding
from huatuo.stages import PHRASINGS, STAGES
from huatuo.store import read, read_manifest, writing
from huatuo.synth.make import make_pairs
from model_makers import characters, model_of


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny LLaMA with random weights and room for a prompt."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = characters(tmp_path_factory.mktemp("tokenizer"))
    save(model_of("llama", len(tokenizer), 2048), tokenizer, "huatuo2", folder, {})
    return folder


def settings_of(folder: Path, **more: Any) -> SynthSettings:
    teacher = {"kind": "local", "folder": folder, "max_tokens": 12, "batch": 4} | more
    return SynthSettings.model_validate({"teacher": teacher, "shapes": ["direct"]})


def facts(maker: Any, count: int = 6) -> Path:
    folder: Path = maker.knowledge([maker.fact(f"病{n}", "临床症状", f"症状{n}") for n in range(count)])
    return folder


def test_its_nonsense_is_dropped_with_counted_reasons_and_the_stage_says_why_it_wrote_nothing(
    maker: Any, checkpoint: Path
) -> None:
    settings, folder = settings_of(checkpoint), maker.folder / "synth"
    knowledge, passages = facts(maker), maker.write("c", {"passages": []})
    cached = Cached(teacher_of(settings, PHRASINGS, maker.folder / "calls"), maker.folder / "calls")
    with (
        pytest.raises(StageError, match=r"(?s)stage synth wrote no record.*(length|unparsed): 6, for example: .+next:"),
        writing(folder, stage="synth", key="k") as out,
    ):
        make_pairs(settings, knowledge, passages, cached, 1, out)
    assert cached.asked == 6
    again = Cached(teacher_of(settings, PHRASINGS, maker.folder / "calls"), maker.folder / "calls")
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        make_pairs(settings, maker.knowledge([maker.fact("病0", "临床症状", "症状0")]), passages, again, 1, out)
        out.write("findings", Finding(rule="r", severity="note", subject="s", place="p", message="m"))
    assert (again.hits, again.asked) == (1, 0)
    figures = read_manifest(folder).figures
    assert (figures["prompt_tokens"] or 0) > 100
    assert not any("cost" in name for name in figures)  # nobody is paid
    assert [d.rule for d in read(folder, "dropped", Dropped)] in (["length"], ["unparsed"])


def test_a_prompt_that_does_not_fit_is_a_reason_too(maker: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("short") / "tiny"
    tokenizer = characters(tmp_path_factory.mktemp("tokenizer"))
    save(model_of("llama", len(tokenizer), 64), tokenizer, "huatuo2", folder, {})
    settings = settings_of(folder)
    with (
        pytest.raises(StageError, match=r"error: 6, for example: tiny: the prompt has [\d,]+ tokens"),
        writing(maker.folder / "synth", stage="synth", key="k") as out,
    ):
        model = teacher_of(settings, PHRASINGS, maker.folder / "calls")
        make_pairs(settings, facts(maker), maker.write("c", {"passages": []}), model, 1, out)


def test_its_weights_are_part_of_every_key_and_the_folders_name_is_not(checkpoint: Path, tmp_path: Path) -> None:
    model = teacher_of(settings_of(checkpoint), PHRASINGS, tmp_path / "calls")
    assert isinstance(model, LocalModel)
    assert (model.name, model.batch, bool(model.digest)) == ("tiny", 4, True)
    moved = tmp_path / "elsewhere" / "tiny"
    moved.parent.mkdir()
    moved.symlink_to(checkpoint, target_is_directory=True)
    assert teacher_of(settings_of(moved), PHRASINGS, tmp_path / "calls").digest == model.digest
    judge = judge_of(JudgeSettings(kind="local", folder=checkpoint), tmp_path / "calls")
    assert judge.digest == model.digest


def test_the_recipe_is_checked_before_and_the_stage_reads_the_folder_as_a_file(
    tmp_path: Path, checkpoint: Path
) -> None:
    (tmp_path / "g.jsonl").write_text('{"class": "疾病", "中心词": "甲病", "临床症状": ["乙症"]}\n', encoding="utf-8")
    text = '[run]\nname = "t"\n[[ingest.graphs]]\nname = "g"\npath = "g.jsonl"\n[synth.teacher]\nkind = "local"\n'
    for line, said in (("", "folder: missing"), ('folder = "nowhere"\n', "not found"), ('folder = "."\n', "no config")):
        (tmp_path / "a.toml").write_text(text + line, encoding="utf-8")
        with pytest.raises(RecipeError, match=said):
            list(running.run(recipe_file.load(tmp_path / "a.toml"), tmp_path / "r", running.select(last="synth")))
    (tmp_path / "a.toml").write_text(text + f'folder = "{checkpoint}"\n', encoding="utf-8")
    recipe = recipe_file.load(tmp_path / "a.toml")
    (stage,) = (stage for stage in STAGES if stage.name == "synth")
    assert checkpoint in stage.files(recipe)
    assert {"folder", "batch"}.isdisjoint(stage.settings(recipe)["teacher"])
    (planned,) = (
        one for one in running.plan(recipe, tmp_path / "r", running.select(last="synth")) if one.stage == stage
    )
    assert "no paid call" in planned.says
