"""Whatever is read, kept and dropped add up to it at every stage, and every dropped row has one reason."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
import pytest
from corpus_makers import EN, ZH
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from huatuo.corpus import bulk
from huatuo.recipe_curate import CorpusSettings

words = st.one_of(st.sampled_from(EN).map(lambda word: word + " "), st.text(ZH, min_size=1, max_size=9))
prose = st.lists(
    st.tuples(st.lists(words, min_size=1, max_size=30), st.sampled_from(["。", ". ", "\n", "\n\n# 标题\n"])),
    max_size=12,
)
odd = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["", " ", "\u3000\n", "10⁹ 个/L", "👩‍⚕️" * 30, "http://a.b/c " * 20, "aaaa" * 50, "电话 010-12345678 " * 9]
    ),
    st.sampled_from(
        [
            "Ce médicament est pris le soir avec de l'eau. " * 4,
            "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
        ]
    ),
)
texts = st.one_of(prose.map(lambda parts: "".join("".join(some) + end for some, end in parts)), odd)
raw = st.sampled_from(
    [
        b"{",
        b"[1]",
        b"null",
        b'"\xff\xfe"',
        b'{"text": 3}',
        b'{"text": "\\ud800"}',
        b'{"no": "x"}',
        b"\xe5\xa5",
        b'{"a":1,"a":2}',
    ]
)
lines = st.lists(
    st.one_of(texts.map(lambda text: json.dumps({"text": text, "id": text[:4]}).encode()), raw), min_size=1, max_size=40
)
options = st.fixed_dictionaries(
    {},
    optional={
        "near": st.sampled_from([0, 5, 10]),
        "semantic": st.sampled_from([0, 80]),
        "max_chars": st.sampled_from([40, 90]),
        "min_chars": st.sampled_from([1, 30]),
        "min_text": st.sampled_from([1, 60]),
        "languages": st.sampled_from([("zh",), ("en",), ("zh", "en")]),
    },
)


GOOD = (
    "糖尿病患者应定期监测血糖，遵医嘱服药，控制饮食并适当运动。出现头晕、出汗等低血糖表现时应立即进食，必要时到医院就诊，由医生调整剂量。"
    "老年患者宜从小剂量开始，每两周复查一次肝功能和肾功能，结果写入病历。",
    "The patient should measure the blood pressure every morning before taking the tablets and write it into a diary. "
    "If it stays above the limit for two weeks, the physician changes the dose and orders a test of the kidneys.",
)
"""What every setting keeps something of: a corpus of which nothing is left is an error of another kind."""


def rows_of(root: Path, stage: str) -> dict[str, dict[str, Any]]:
    found = [row for path in sorted((root / stage).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: row for row in found}


@pytest.mark.slow
@given(lines, options)
@hypothesis_settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=[HealthCheck.too_slow],
)
def test_kept_and_dropped_are_what_was_read_with_one_reason_each(given_: list[bytes], chosen: dict[str, Any]) -> None:
    good = [json.dumps({"text": text}).encode() for text in GOOD]
    with TemporaryDirectory() as name:
        root, file = Path(name) / "out", Path(name) / "in.jsonl"
        file.write_bytes(b"\n".join([*good, *given_]) + b"\n")
        # every text has a twin in a source that comes after it
        sources = [{"name": one, "path": file, "longest": 1_024, "priority": n} for n, one in enumerate("ab")]
        settings = CorpusSettings.model_validate({"sources": sources, "samples": 2, **chosen})
        made = {done.stage: done.manifest for done in bulk.curate(settings, root)}
        rows = {stage: rows_of(root, stage) for stage in made}
        counts, _ = bulk.funnel_of(root)
    assert len(rows["texts"]) == 2 * (len(GOOD) + len(given_))
    for stage in ("texts", "clean", "segments", "kept"):
        why = [row["reason"] for row in rows[stage].values()]
        dropped = Counter(reason.partition(": ")[0] for reason in why if reason)
        assert made[stage].dropped == dropped
        assert made[stage].kept + dropped.total() == len(why) == sum(c.texts for c in counts if c.stage == stage)
        assert all(re.fullmatch(r"[a-z_]+: [^\n].*", reason, re.DOTALL) for reason in why if reason)
    check_stages(rows)


def check_stages(rows: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Each stage goes on with what the one before kept, and with nothing else."""
    texts, clean, segments, kept = (rows[stage] for stage in ("texts", "clean", "segments", "kept"))
    assert texts.keys() == clean.keys()
    assert all(clean[one]["reason"] == row["reason"] for one, row in texts.items() if row["reason"])
    assert {row["parent"] for row in segments.values()} == {one for one, row in clean.items() if not row["reason"]}
    assert segments.keys() == kept.keys()
    assert all(kept[one]["reason"] == row["reason"] for one, row in segments.items() if row["reason"])
    assert rows["passages"].keys() == {one for one, row in kept.items() if not row["reason"]}
    for row in kept.values():
        assert bool(row["witness"]) == row["reason"].startswith(
            ("duplicate:", "near_duplicate:", "semantic_duplicate:")
        )
        if row["witness"]:
            other = kept[row["witness"]]
            assert (other["origin"]["source"], other["id"]) < (row["origin"]["source"], row["id"])
