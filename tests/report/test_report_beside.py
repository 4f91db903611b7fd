"""What stands beside the scores, as CSV and LaTeX: parts of an exam, the band of extractors, safety."""

import csv
import io

import pytest

from huatuo.records import Figure
from huatuo.records_scored import PartFigure
from huatuo.report import beside, leaderboard, tables

HOSTILE = "x & y_{1} 50% \\input{a}"


def made(name, model, metric, value, n=40, low=0.1, high=0.9, signature="metric:accuracy|v1"):
    return Figure(name=name, model=model, metric=metric, value=value, low=low, high=high, n=n, signature=signature)


def part(model, value, name="内科", by="subject", group="e"):
    return PartFigure(**made(group, model, "accuracy", value).model_dump(), by=by, part=name)


FIGURES = [
    made("e", "m", "accuracy", 0.5),
    made("e", "m", "extractor: cmb", 0.25),
    made("e", "m", "extractor: huatuogpt2-m2", 0.75),
    made("e", "m", "unscored: refusal", 3.0),
    made("safety", "ours", "safety: false_alarm", 0.1),
    made("safety", "other", "safety: false_alarm", None, 0, None, None),
    made("safety", "base", "safety: invented_source", 0.2),
]


def read(table):
    return list(csv.DictReader(io.StringIO(tables.to_csv(table).removeprefix("\ufeff"))))


def test_the_band_is_written_with_every_extractor_and_both_ends():
    files = beside.every_file(FIGURES, [])
    rows = read(files["sensitivity.csv"])
    assert [(r["extractor"], r["value"]) for r in rows] == [
        ("huatuo", "0.5"), ("cmb", "0.25"), ("huatuogpt2-m2", "0.75"), ("lowest", "0.25"), ("highest", "0.75"),
    ]  # fmt: skip
    assert rows[0]["signature"] == "metric:accuracy|v1"
    assert "25.0 \\% & {}[10.0, 90.0] & 40" in files["sensitivity.tex"]
    assert "% metric:accuracy|v1" in files["sensitivity.tex"]


def test_safety_has_a_column_for_every_model_base_and_ours_first():
    found = beside.safety(FIGURES)
    assert found.models == ("base", "ours", "other")
    assert [(name, [f.value if f else None for f in own]) for name, own in found.rules] == [
        ("safety: false_alarm", [None, 0.1, None]),
        ("safety: invented_source", [0.2, None, None]),
    ]
    assert [(r["fault"], r["model"], r["value"]) for r in read(beside.safety_table(found))] == [
        ("false_alarm", "ours", "0.1"), ("false_alarm", "other", ""), ("invented_source", "base", "0.2"),
    ]  # fmt: skip
    assert beside.safety(FIGURES[:4]) is None


def test_parts_stand_side_by_side_with_the_best_guess():
    figures = [part("m", 0.5), part("k", 0.3), part("baseline: random", 0.2), part("baseline: most frequent", 0.25)]
    figures += [part("m", 0.4, ""), part("m", 0.1, "2020", "year")]
    by_subject, by_year = beside.parts(figures)
    assert (by_subject.by, by_subject.models, by_year.models) == ("subject", ("m", "k"), ("m",))
    first, second = by_subject.parts
    assert (first.n, first.guess.value, [f.value for f in first.models]) == (40, 0.25, [0.5, 0.3])
    assert (second.name, second.guess, second.models[1]) == ("", None, None)
    tex = beside.parts_tex([by_subject, by_year])
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 2
    assert "内科 & 40 & 50.0 \\% [10.0, 90.0] & 30.0 \\% [10.0, 90.0] & 25.0 \\% \\\\" in tex
    assert len(read(beside.parts_table(figures))) == 6


@pytest.mark.parametrize("place", ["model", "part", "group"])
def test_what_comes_from_files_cannot_run_in_latex(place):
    names = {"model": "m", "part": "内科", "group": "e"} | {place: HOSTILE}
    tex = beside.parts_tex(beside.parts([part(names["model"], 0.5, names["part"], group=names["group"])]))
    shown = [line for line in tex.splitlines() if not line.startswith("%")]
    assert "\\input" not in "".join(shown)
    assert tables.tex_escape(HOSTILE) in "".join(shown)
    tex = beside.tex_of(("Model",), [((HOSTILE,), made("e", "m", "accuracy", 0.5, signature="a\n\\input{b}"))])
    assert not any("\\input{" in line for line in tex.splitlines() if not line.startswith("%"))


def test_nothing_measured_is_no_file():
    assert beside.every_file([made("e", "m", "accuracy", 0.5)], []) == {}


def test_the_line_to_cite_is_of_the_exam_and_names_what_was_cut():
    from huatuo.records import Provenance

    def how(prompt):
        return Provenance(
            by="model", model="w", digest="d" * 64, format="huatuo2", prompt_id=prompt, prompt_hash="h" * 64
        )

    figures = [made("zh", "m", "accuracy", 0.5), made("en", "m", "accuracy", 0.4)]
    asked = {("zh", "m", "accuracy"): how("exam_choice.zh"), ("en", "m", "accuracy"): how("exam_choice.en")}
    by = leaderboard.How(asked, "q" * 64, 7, {("en", "m"): 12}, "cut_end")
    zh, en = (board.standings[0] for board in leaderboard.boards(figures, by))
    assert "prompt:exam_choice.zh" in zh.cite
    assert "shortened" not in zh.cite
    assert "prompt:exam_choice.en" in en.cite
    assert "texts shortened:12 (cut_end)" in en.cite
    assert (zh.cut, en.cut) == (0, 12)
