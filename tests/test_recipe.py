"""Recipes: documented defaults, unknown keys by line with the nearest known one, overrides, shipped recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from huatuo import recipe, recipe_file
from huatuo.errors import RecipeError


def write(folder: Path, text: str) -> Path:
    path = folder / "a.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_unknown_key_names_file_line_and_the_nearest_key(tmp_path: Path) -> None:
    path = write(tmp_path, '[run]\nname = "x"\n\n[train]\nlearning_rat = 1\n')
    with pytest.raises(RecipeError) as caught:
        recipe_file.load(path)
    assert f"{path}:5: unknown key train.learning_rat; did you mean train.learning_rate?" in str(caught.value)


def test_all_errors_come_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, '[run]\n[train]\nwindow = "wide"\nsteps = -1\n[nothing]\na = 1\n')
    with pytest.raises(RecipeError) as caught:
        recipe_file.load(path)
    text = str(caught.value)
    assert "run.name is missing" in text
    assert f"{path}:3: train.window = 'wide'" in text
    assert f"{path}:4: train.steps = -1" in text
    assert "unknown key nothing" in text


def test_the_line_of_the_second_table_of_an_array(tmp_path: Path) -> None:
    text = '[run]\nname = "x"\n[[unify.imports]]\nname = "a"\npath = "a"\nformat = "alpaca"\n'
    path = write(tmp_path, text + '[[unify.imports]]\nname = "b"\npath = "b"\nformat = "nonsense"\n')
    with pytest.raises(RecipeError, match=r"a\.toml:10: unify\.imports\.format = 'nonsense'"):
        recipe_file.load(path)


def test_overrides_and_relative_paths(tmp_path: Path) -> None:
    path = write(tmp_path, '[run]\nname = "x"\n[[ingest.graphs]]\nname = "g"\npath = "数据/g.json"\n')
    loaded = recipe_file.load(path, ["train.steps=7", "run.title=标题", "train.priority={graph = 2}", "train.lora.r=4"])
    assert loaded.ingest.graphs[0].path == (tmp_path / "数据" / "g.json").resolve()
    assert (loaded.train.steps, loaded.run.title, loaded.train.priority) == (7, "标题", {"graph": 2})
    assert loaded.train.lora is not None
    assert loaded.train.lora.r == 4


@pytest.mark.parametrize("override", ["train.steps", "=1", "run.name.x=1"])
def test_a_bad_override_is_refused(tmp_path: Path, override: str) -> None:
    path = write(tmp_path, '[run]\nname = "x"\n')
    with pytest.raises(RecipeError):
        recipe_file.load(path, [override])


@pytest.mark.parametrize("data", [b"\xff\xfe", b"[run\n", b"\x00"])
def test_a_file_that_is_no_recipe(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(data)
    with pytest.raises(RecipeError, match=r"a\.toml"):
        recipe_file.load(path)


def test_a_bom_and_crlf_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b'\xef\xbb\xbf[run]\r\nname = "x"\r\n')
    assert recipe_file.load(path).run.name == "x"


def test_an_unknown_recipe_names_the_shipped_ones() -> None:
    with pytest.raises(RecipeError, match="ablation, demo, forgetting, huatuo-2023, huatuogpt2-2023"):
        recipe_file.find("nonsense")


@pytest.mark.parametrize("name", sorted(recipe_file.shipped()))
def test_every_shipped_recipe_loads(name: str) -> None:
    assert recipe_file.load(recipe_file.find(name)).run.name == name


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    inner = {m for f in model.model_fields.values() for m in recipe_file._models_in(f.annotation)}
    return {model}.union(*(models(m) for m in inner))


def test_every_key_is_documented() -> None:
    undocumented = [
        f"{model.__name__}.{name}"
        for model in models(recipe.Recipe)
        for name, field in model.model_fields.items()
        if not field.description
    ]
    assert undocumented == []


def test_a_table_hides_where_files_lie(tmp_path: Path) -> None:
    text = '[run]\nname = "x"\n[[ingest.graphs]]\nname = "g"\npath = "g.json"\n'
    (tmp_path / "other").mkdir()
    tables = [recipe.table(recipe_file.load(write(folder, text)).ingest) for folder in (tmp_path, tmp_path / "other")]
    assert tables[0] == tables[1]
    assert str(tmp_path) not in str(tables[0])


def test_a_table_of_a_list_is_overridden_by_its_name(tmp_path: Path) -> None:
    text = '[run]\nname = "x"\n[[ingest.graphs]]\nname = "a"\npath = "1"\n[[ingest.graphs]]\nname = "b"\npath = "2"\n'
    loaded = recipe_file.load(write(tmp_path, text), ["ingest.graphs.b.path=/x y/三.json"])
    assert [graph.path.name for graph in loaded.ingest.graphs] == ["1", "三.json"]
    with pytest.raises(RecipeError, match=r"no table named 'c'; there are: a, b"):
        recipe_file.load(tmp_path / "a.toml", ["ingest.graphs.c.path=3"])
    with pytest.raises(RecipeError, match=r"list of tables; next: name one of them \(a, b\)"):
        recipe_file.load(tmp_path / "a.toml", ["ingest.graphs.path=3"])
