"""Curation at scale gives one answer wherever it runs, goes on where it stopped, and accounts for every row."""

from __future__ import annotations

import gzip
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_makers import lines, records, settings, write_shards

from huatuo import recipe_file, run, store
from huatuo.corpus import bulk, engines, funnel
from huatuo.corpus.passes import CLEAN, EXCERPT, Segmented
from huatuo.errors import BusyError, ConservationError, DataError, InputError, RecipeError, StageError
from huatuo.knowledge import documents
from huatuo.knowledge.ingest import ingest
from huatuo.manifest import Manifest
from huatuo.parts import part_of
from huatuo.recipe import DocumentSource
from huatuo.recipe_curate import CorpusSettings
from huatuo.records import Document
from huatuo.text.minhash import gram_sets

RECORDS = records(2_000)


def go(chosen: CorpusSettings, root: Path, rows: int = 0, questions: Path | None = None) -> dict[str, Manifest]:
    return {done.stage: done.manifest for done in bulk.curate(chosen, root, questions, rows)}


def digests(made: dict[str, Manifest]) -> dict[str, str]:
    return {stage: entry.digest for stage, manifest in made.items() for entry in manifest.tables.values()}


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Manifest]]:
    """A finished run of one file in this process, in batches of 10,000."""
    folder = tmp_path_factory.mktemp("one")
    source = write_shards(folder / "in", RECORDS, 1)
    return folder / "out", go(settings(source), folder / "out", 10_000)


def shuffled(seed: int) -> list[dict[str, Any]]:
    rows = list(RECORDS)
    random.Random(seed).shuffle(rows)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "shards", "rows"),
    [
        ("here", 2, 777),
        ("here", 7, 10_000),
        pytest.param("pool:2", 7, 777, marks=pytest.mark.slow),
        pytest.param("daft", 2, 777, marks=pytest.mark.slow),
        pytest.param("daft", 7, 10_000, marks=pytest.mark.slow),
    ],
)
def test_one_answer(one: tuple[Path, dict[str, Manifest]], tmp_path: Path, engine: str, shards: int, rows: int) -> None:
    if engine == "daft":
        pytest.importorskip("daft")
    source = write_shards(tmp_path / "in", shuffled(shards), shards)
    made = go(settings(source, engine=engine), tmp_path / "out", rows)
    assert digests(made) == digests(one[1])
    assert {s: m.dropped for s, m in made.items()} == {s: m.dropped for s, m in one[1].items()}


@pytest.mark.slow
@pytest.mark.parametrize("changed", ["text", "title", "row"])
def test_the_digest_is_of_every_row(one: tuple[Path, dict[str, Manifest]], tmp_path: Path, changed: str) -> None:
    """One changed character, one missing row: another digest."""
    rows = [dict(row) for row in RECORDS]
    if changed == "row":
        rows.pop()
    else:
        rows[7][changed] = "另" + rows[7][changed]
    source = write_shards(tmp_path / "in", rows, 1)
    first = next(bulk.curate(settings(source), tmp_path / "out"))
    assert first.manifest.tables["texts"].digest != one[1]["texts"].tables["texts"].digest


@pytest.mark.slow
def test_the_digest_is_of_the_range_of_a_passage(one: tuple[Path, dict[str, Manifest]], tmp_path: Path) -> None:
    shard = sorted((one[0] / "segments").glob("*.parquet"))[0]
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[5]["end"] += 1
    pq.write_table(pa.Table.from_pylist(rows, table.schema), tmp_path / "a.parquet")
    before, after = (funnel.account([path], "segments", "normal", 0).digest for path in (shard, tmp_path / "a.parquet"))
    assert before != after


def test_kept_and_dropped_are_what_was_read(one: tuple[Path, dict[str, Manifest]]) -> None:
    root, made = one
    assert made["texts"].tables["texts"].rows == len(RECORDS)
    for stage in ("texts", "clean", "segments", "kept"):
        manifest = made[stage]
        assert manifest.kept + sum(manifest.dropped.values()) == sum(t.rows for t in manifest.tables.values())
    assert made["clean"].tables["clean"].rows == made["texts"].tables["texts"].rows
    assert made["kept"].tables["kept"].rows == made["segments"].tables["segments"].rows
    assert made["passages"].tables["passages"].rows == made["kept"].kept
    assert set(made["kept"].dropped) == {"duplicate", "near_duplicate"}
    assert min(made["kept"].dropped.values()) > 50
    rows = [row for path in (root / "kept").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert all((row["reason"] == "") == (row["witness"] == "") for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_duplicates_have_an_earlier_witness_that_is_one(one: tuple[Path, dict[str, Manifest]]) -> None:
    root, _ = one
    rows = {row["id"]: row for path in (root / "kept").glob("*.parquet") for row in pq.read_table(path).to_pylist()}
    near = [row for row in rows.values() if row["reason"].startswith("near_duplicate")]
    for row in near:
        witness = rows[row["witness"]]
        assert witness["id"] < row["id"]
        hashes, starts = gram_sets([row["normal"], witness["normal"]])
        one_, other = set(hashes[: starts[1]].tolist()), set(hashes[starts[1] :].tolist())
        assert len(one_ & other) / len(one_ | other) == pytest.approx(row["jaccard"])
        assert row["jaccard"] >= 0.7
    exact = [row for row in rows.values() if row["reason"].startswith("duplicate")]
    assert len(exact) > 50
    assert not any(rows[row["witness"]]["reason"].startswith("duplicate") for row in exact)


def test_passages_are_documents_whose_spans_lie_in_their_texts(one: tuple[Path, dict[str, Manifest]]) -> None:
    root, _ = one
    texts = {row["id"]: row for p in (root / "texts").glob("*.parquet") for row in pq.read_table(p).to_pylist()}
    found = list(store.read(root / "passages", "passages", Document))
    assert len(found) > 1_000
    for passage in found:
        assert passage.span is not None
        assert texts[passage.parent]["text"][passage.span.start : passage.span.end] == passage.text
        assert len(passage.text) <= 400


@pytest.mark.slow
def test_the_source_of_smaller_priority_survives(tmp_path: Path) -> None:
    for name in ("a", "b"):
        lines(tmp_path / f"{name}.jsonl", RECORDS[:200])
    for first in ("a", "b"):
        sources = [
            {"name": name, "path": tmp_path / f"{name}.jsonl", "id": "id", "priority": int(name != first)}
            for name in "ab"
        ]
        go(CorpusSettings.model_validate({"sources": sources}), tmp_path / first)
        kept = Counter(d.origin.source for d in store.read(tmp_path / first / "passages", "passages", Document))
        assert set(kept) == {first}


@pytest.mark.slow
def test_nearly_the_same_words_are_dropped_on_request(tmp_path: Path) -> None:
    rows = RECORDS[:300]
    moved = []
    for row in rows:
        parts = [part + "。" for part in row["text"].split("。") if part]
        moved.append({**row, "id": f"m{row['id']}", "text": "".join(reversed(parts))})
    source = lines(tmp_path / "in.jsonl", [*rows, *(m for m in moved if len(m["text"]) > 60)])
    without = go(settings(source), tmp_path / "without")
    made = go(settings(source, semantic=85), tmp_path / "with")
    assert "semantic_duplicate" not in without["kept"].dropped
    assert made["kept"].dropped["semantic_duplicate"] > 10
    assert not list((tmp_path / "with").rglob("vectors"))


@pytest.mark.slow
def test_nearly_the_same_words_are_found_across_sources_and_alike_however_they_are_cut(tmp_path: Path) -> None:
    """The later source holds the first one's texts with their sentences in another order, and texts of its own."""
    dice = random.Random(6)
    first = [
        {**row, "id": f"a{row['id']}", "text": row["text"][:600]} for row in RECORDS[:150] if len(row["text"]) > 300
    ]
    turned = []
    for row in first[:60]:
        parts = re.findall(r".+?[。.](?: |$|(?<=。))", row["text"])
        dice.shuffle(parts)
        turned.append({"id": f"b{row['id']}", "text": "".join(parts)})
    later = [*turned, *({**row, "id": f"c{row['id']}"} for row in RECORDS[900:960])]

    def made(name: str, shards: int) -> dict[str, Manifest]:
        sources = []
        for number, (source, rows) in enumerate((("old", list(first)), ("new", list(later)))):
            random.Random(shards).shuffle(rows)
            path = write_shards(tmp_path / name / source, rows, shards)
            sources.append({"name": source, "path": path, "id": "id", "priority": number})
        chosen = CorpusSettings.model_validate({"sources": sources, "semantic": 75, "max_chars": 700})
        return go(chosen, tmp_path / name / "out", 777 if shards > 1 else 10_000)

    whole = made("one", 1)
    assert digests(made("four", 4)) == digests(whole)
    files = (tmp_path / "one" / "out" / "kept").glob("*.parquet")
    rows = {row["id"]: row for path in files for row in pq.read_table(path).to_pylist()}
    found = [row for row in rows.values() if row["reason"].startswith("semantic_duplicate")]
    across = [
        row for row in found if row["origin"]["source"] == "new" and rows[row["witness"]]["origin"]["source"] == "old"
    ]
    assert len(across) > 10
    assert not [
        row for row in found if row["origin"]["source"] == "old" and rows[row["witness"]]["origin"]["source"] == "new"
    ]


# ---------------------------------------------------------------- going on, and one writer


@pytest.mark.slow
def test_a_killed_run_goes_on_from_the_last_finished_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_shards(tmp_path / "in", RECORDS[:400], 3)

    def interrupted(job: bulk.Bulk, out: Path, advance: engines.Advance) -> None:
        (out / "part-00000.parquet").write_bytes(b"half of a file")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(bulk._WORK, "kept", interrupted)
        with pytest.raises(KeyboardInterrupt):
            list(bulk.curate(settings(source), tmp_path / "out", None, 77))
    assert (tmp_path / "out" / "segments" / "manifest.json").exists()
    assert not (tmp_path / "out" / "kept").exists()
    done = list(bulk.curate(settings(source), tmp_path / "out"))
    assert [d.skipped for d in done] == [True, True, True, False, False]
    assert digests({d.stage: d.manifest for d in done}) == digests(go(settings(source), tmp_path / "whole"))
    assert all(d.skipped for d in bulk.curate(settings(source), tmp_path / "out"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "first"),
    [({"near": 8}, "kept"), ({"min_chars": 30}, "segments"), ({"min_text": 50}, "clean"), ({"engine": "pool:7"}, "")],
)
def test_only_what_a_changed_setting_touches_is_made_again(changed: dict[str, Any], first: str, tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", RECORDS[:60])
    list(bulk.curate(settings(source), tmp_path / "out"))
    done = list(bulk.curate(settings(source, **changed), tmp_path / "out"))
    assert next((d.stage for d in done if not d.skipped), "") == first


@pytest.mark.slow
@pytest.mark.parametrize(("changed", "first"), [("in.jsonl", "texts"), ("words.txt", "clean")])
def test_a_file_that_changed_under_its_name_is_read_again(changed: str, first: str, tmp_path: Path) -> None:
    pytest.importorskip("ahocorasick_rs")
    lines(tmp_path / "in.jsonl", RECORDS[:60])
    (tmp_path / "words.txt").write_text("血\npatient\n", encoding="utf-8")
    chosen = settings(tmp_path / "in.jsonl", lexicon={"files": [tmp_path / "words.txt"], "least": 1, "english": False})
    before = go(chosen, tmp_path / "out")
    assert all(done.skipped for done in bulk.curate(chosen, tmp_path / "out"))
    other = lines(tmp_path / "new", RECORDS[60:120]).read_text("utf-8") if first == "texts" else "patient\n"
    (tmp_path / changed).write_text(other, encoding="utf-8")
    done = list(bulk.curate(chosen, tmp_path / "out"))
    assert next(d.stage for d in done if not d.skipped) == first
    after = {d.stage: d.manifest for d in done}
    assert after["clean"].tables["clean"].digest != before["clean"].tables["clean"].digest


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", RECORDS[:100])
    first = bulk.curate(settings(source), tmp_path / "out")
    next(first)
    with pytest.raises(BusyError, match="another huatuo process"):
        list(bulk.curate(settings(source, near=8), tmp_path / "out"))
    assert len(list(first)) == 4


# ---------------------------------------------------------------- engines


def test_where_nothing_is_left_the_error_names_the_stage_that_dropped_it(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("没有这个词\n", encoding="utf-8")
    lexicon = {"files": [tmp_path / "words.txt"], "least": 900}
    with pytest.raises(StageError, match=r"no passage is left: \d+ off_domain.*; next: look.*clean.funnel\.json"):
        go(settings(lines(tmp_path / "in.jsonl", RECORDS[:50]), lexicon=lexicon), tmp_path / "out")


def test_what_cannot_be_read_is_counted_and_nothing_else_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    good = RECORDS[:300]
    write_shards(folder, good, 2)
    whole = "".join(f'{{"id": "z{i}", "text": "{good[i]["text"].strip()}{i}"}}\n' for i in range(200)).encode()
    packed = gzip.compress(whole)
    (folder / "cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "empty.jsonl").write_bytes(b"")
    (folder / "packed-empty.jsonl.gz").write_bytes(gzip.compress(b""))
    (folder / "long.jsonl").write_bytes(
        b'{"id": "l1", "text": "' + b"x" * 5_000 + b'"}\n' + whole.splitlines()[3] + b"\n"
    )
    (folder / "bytes.jsonl").write_bytes(b'{"id": "b1", "text": "a\xff\xfeb"}\n{"id": "b2", "text": "\xe5\xa5\xbd"}\n')
    sources = [{"name": "web", "path": folder, "id": "id", "longest": 4_096}]
    made = go(CorpusSettings.model_validate({"sources": sources}), tmp_path / "out")
    assert {"truncated", "empty_file", "line_too_long", "undecodable_bytes"} <= set(made["texts"].dropped)
    assert made["texts"].dropped["empty_file"] == 2
    assert made["texts"].kept >= 300
    assert made["clean"].dropped.items() >= made["texts"].dropped.items()
    counts, samples = bulk.funnel_of(tmp_path / "out")
    assert {s.rule for s in samples if s.stage == "texts"} == set(made["texts"].dropped)
    assert sum(c.texts for c in counts if c.stage == "clean") == made["texts"].tables["texts"].rows


def test_a_parquet_without_the_column_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body_text": ["a" * 100]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet.*body_text"):
        go(settings(tmp_path / "a.parquet"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_lexicon_with_an_empty_word_names_its_line(tmp_path: Path) -> None:
    pytest.importorskip("ahocorasick_rs")
    source = lines(tmp_path / "in.jsonl", RECORDS[:10])
    (tmp_path / "words.txt").write_text("血压\t3\n\t5\n肝功能\t2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"words\.txt:2"):
        go(settings(source, lexicon={"files": [tmp_path / "words.txt"]}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_domain_extraction_keeps_what_is_dense(tmp_path: Path) -> None:
    pytest.importorskip("ahocorasick_rs")
    (tmp_path / "words.txt").write_text("血压\n肝功能\n糖尿病\n胰岛素\n", encoding="utf-8")
    filler = "今天的天气很好，我们一起去公园散步，看见许多花草和飞鸟，晚上回家做饭。"
    medical = "糖尿病患者注射胰岛素后监测血压和肝功能，血压稳定，糖尿病控制良好，胰岛素剂量减少。"
    rows = [
        {"id": f"{i}", "text": f"{(medical if i % 3 == 0 else filler)}第{i}段记录于此，供以后查看和比较之用。"}
        for i in range(600)
    ]
    source = lines(tmp_path / "in.jsonl", rows)
    made = go(settings(source, near=0, lexicon={"files": [tmp_path / "words.txt"], "english": False}), tmp_path / "out")
    assert made["clean"].dropped == {"off_domain": 400}
    field = settings(source, near=0, lexicon={"files": [tmp_path / "words.txt"], "english": False})
    field = field.model_copy(update={"sources": (field.sources[0].model_copy(update={"of_field": True}),)})
    again = list(bulk.curate(field, tmp_path / "out"))
    assert [stage.skipped for stage in again[:2]] == [True, False]
    assert again[1].manifest.dropped == {}  # the recipe says that the source is of the field


def test_a_row_that_a_stage_lost_is_never_silent(tmp_path: Path) -> None:
    with (
        pytest.raises(ConservationError, match="3 rows, but 1 kept and 1 dropped"),
        store.writing(tmp_path / "a", stage="clean", key="k") as out,
    ):
        out.adopt("clean", 3, "0", 1, {"x": 1})
    assert not (tmp_path / "a").exists()


def test_a_damaged_shard_stops_the_next_stage(tmp_path: Path) -> None:
    source = lines(tmp_path / "in.jsonl", RECORDS[:100])
    go(settings(source), tmp_path / "out")
    shard = next((tmp_path / "out" / "segments").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match="changed since it was written"):
        go(settings(source, near=8), tmp_path / "out")


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
sys.argv = ["huatuo", "curate", sys.argv[1]]
from huatuo.cli import main
main()
"""


@pytest.mark.slow
def test_a_full_disk_is_one_error_and_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    lines(tmp_path / "in.jsonl", RECORDS[:1_000])
    recipe = tmp_path / "r.toml"
    recipe.write_text('[run]\nname = "x"\n[[corpus.sources]]\nname = "w"\npath = "in.jsonl"\nid = "id"\n')
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(recipe)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "error:" in done.stderr
    assert "free space" in done.stderr
    assert re.search(r"texts\.part/part-\d+\.parquet: ", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs" / "x" / "corpus" / "texts").exists()


# ---------------------------------------------------------------- the verb


def recipe_of(folder: Path, more: str = "") -> Path:
    lines(folder / "in.jsonl", RECORDS[:400])
    long = next(row for row in RECORDS if len(row["text"]) > 300 and row["text"][0] > "z")
    options = {"options": {"A": "甲", "B": "乙"}, "answer": "A", "kind": "single"}
    lines(folder / "exam.jsonl", [{"question": long["text"][10:90], **options}])
    text = '[run]\nname = "x"\n[[corpus.sources]]\nname = "w"\npath = "in.jsonl"\nid = "id"\n'
    text += '[[questions.exams]]\nname = "e"\npath = "exam.jsonl"\n' + more
    (folder / "r.toml").write_text(text, encoding="utf-8")
    return folder / "r.toml"


@pytest.mark.slow
def test_the_verb_decontaminates_and_writes_the_page(tmp_path: Path) -> None:
    loaded = recipe_file.load(recipe_of(tmp_path))
    made = [manifest for manifest, _ in run.curate_corpus(loaded, tmp_path / "x")]
    assert made[3].dropped["contaminated"] >= 1
    assert (tmp_path / "x" / "corpus" / "report.html").stat().st_size > 5_000
    without = loaded.model_copy(update={"corpus": loaded.corpus.model_copy(update={"decontaminate": False})})
    made = [manifest for manifest, _ in run.curate_corpus(without, tmp_path / "y")]
    assert "contaminated" not in made[3].dropped


def test_a_recipe_whose_exam_is_missing_computes_nothing(tmp_path: Path) -> None:
    loaded = recipe_file.load(recipe_of(tmp_path))
    (tmp_path / "exam.jsonl").unlink()
    with pytest.raises(RecipeError, match="nothing was computed"):
        list(run.curate_corpus(loaded, tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_samples_are_drawn_by_id_and_of_every_rule(one: tuple[Path, dict[str, Manifest]]) -> None:
    counts, samples = bulk.funnel_of(one[0])
    for stage in funnel.STAGES:
        rules = {c.rule for c in counts if c.stage == stage and c.rule}
        shown = Counter(s.rule for s in samples if s.stage == stage)
        assert set(shown) == rules
        assert all(
            n == min(10, sum(c.texts for c in counts if (c.stage, c.rule) == (stage, r))) for r, n in shown.items()
        )


@pytest.mark.slow
def test_a_run_takes_the_passages_as_documents_and_shards_are_a_partition(
    one: tuple[Path, dict[str, Manifest]],
) -> None:
    source = {"name": "bulk", "path": one[0] / "passages"}
    every = [m for _, _, m, _ in documents.read(DocumentSource.model_validate(source))]
    ids = [m.id for m in every if isinstance(m, Document)]
    assert len(ids) == one[1]["passages"].tables["passages"].rows == len(every)
    parts = [
        {m.id for _, _, m, _ in documents.read(DocumentSource.model_validate({**source, "shard": f"{k}/3"})) if m}
        for k in (1, 2, 3)
    ]
    assert sum(map(len, parts)) == len(ids)
    assert set.union(*parts) == set(ids)
    assert min(map(len, parts)) > len(ids) / 4
    with pytest.raises(ValueError, match="expected a part of 1 to 3"):
        DocumentSource.model_validate({**source, "shard": "4/3"})


GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "curation.md"


@pytest.mark.slow
def test_the_guides_recipes_work(tmp_path: Path) -> None:
    first, second = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "corpus.toml").write_text(first, encoding="utf-8")
    (tmp_path / "pairs.toml").write_text(second, encoding="utf-8")
    write_shards(tmp_path / "texts", RECORDS[:200], 2)
    for _ in run.curate_corpus(recipe_file.load(tmp_path / "corpus.toml"), tmp_path / "runs" / "corpus"):
        pass
    loaded = part_of(recipe_file.load(tmp_path / "pairs.toml"), 1)
    with store.writing(tmp_path / "ingest", stage="ingest", key="k") as out:
        ingest(loaded.ingest, 1, out)
    found = list(store.read(tmp_path / "ingest", "documents", Document))
    every = store.read_manifest(tmp_path / "runs" / "corpus" / "corpus" / "passages").tables["passages"].rows
    assert 0 < len(found) < every / 10


@pytest.mark.slow
def test_a_passage_that_is_a_whole_text_is_judged_once_with_the_same_result(
    one: tuple[Path, dict[str, Manifest]],
) -> None:
    batches = [b for p in (one[0] / "clean").glob("*.parquet") for b in engines.read_rows(p, CLEAN, 999)]
    again, once = (
        [row for batch in map(engines.opened, batches) for row in Segmented(12, least, False)(batch).to_pylist()]
        for least in (0, 40)
    )
    assert again == once
    assert len(again) > 1_000


def test_a_refused_text_leaves_an_excerpt_and_a_passage_its_place(tmp_path: Path) -> None:
    long = "没有一个字值得保留。" * 90
    first, rest = "甲" * 30 + "肝病的说明在这里。", "乙" * 30 + "肾病的说明在别处，写法也不同。"
    rows = [{"id": "x", "text": long}, {"id": "y", "text": f"{first}\n\n# 标题\n\n{rest}"}]
    go(settings(lines(tmp_path / "in.jsonl", rows)), tmp_path / "out")
    texts = {row["reason"].partition(":")[0]: row for row in rows_of(tmp_path / "out" / "clean")}
    assert len(texts["repeated_runs"]["text"]) == EXCERPT
    assert (texts["repeated_runs"]["text"], texts["repeated_runs"]["chars"]) == (long[:EXCERPT], len(long))
    assert texts[""]["chars"] == len(texts[""]["text"]) == len(rows[1]["text"])
    for passage in rows_of(tmp_path / "out" / "segments"):
        assert passage["normal"] == rows[1]["text"][passage["start"] : passage["end"]]
        assert passage["origin"]["place"].endswith(f" {passage['start']}–{passage['end']}")


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
