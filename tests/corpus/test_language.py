"""The language of a text is told by its letters; a model of languages is asked for the others only."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from huatuo.corpus.language import detector, language_batch, languages, lingua_detector, shares

TEXTS = [
    ("zh", "二甲双胍是2型糖尿病的一线用药。"),
    ("zh", "糖尿病"),
    ("zh", "ALT、AST升高超过正常上限3倍（ULN）时应停用本品，复查HBV DNA。"),
    ("en", "Metformin is the first line drug of type 2 diabetes, and it is given with meals."),
    ("en", "IL-1β and TNF-α were measured in the serum of 24 patients with Sjögren disease."),
    ("unknown", "メトホルミンは2型糖尿病の第一選択薬として用いられています。"),
    ("unknown", "메트포르민은 제2형 당뇨병의 일차 약제로 사용된다."),
    ("unknown", "Метформин является препаратом первой линии при диабете."),
    ("unknown", "Η μετφορμίνη είναι το φάρμακο πρώτης γραμμής για τον διαβήτη και дальше"),
    ("unknown", "120/80 — 36.5"),
    ("unknown", "mg"),
    ("unknown", ""),
]
NEIGHBOURS = [
    ("unknown", "Le patient présente une douleur abdominale aiguë avec fièvre et vomissements depuis trois jours."),
    ("unknown", "Der Patient klagt seit drei Tagen über starke Schmerzen im Oberbauch und hohes Fieber."),
    ("unknown", "El paciente presenta dolor abdominal agudo con fiebre y vómitos desde hace tres días."),
    ("en", "Do not exceed two tablets daily unless your doctor says so."),
]


def never(texts: Sequence[str]) -> list[str]:
    assert not texts, texts
    return []


def test_letters_decide() -> None:
    clear = [row for row in TEXTS if "ULN" not in row[1]]
    assert languages([text for _, text in clear], never) == [language for language, _ in clear]


def test_only_doubtful_texts_are_asked_about() -> None:
    seen: list[str] = []

    def asked(texts: Sequence[str]) -> list[str]:
        seen.extend(texts)
        return ["unknown"] * len(texts)

    texts = [text for _, text in TEXTS] * 200 + [text for _, text in NEIGHBOURS]
    assert len(languages(texts, asked)) == len(texts) > 2000
    assert set(seen) >= {text for _, text in NEIGHBOURS}
    assert len(set(seen)) <= len(NEIGHBOURS) + 2


def test_texts_do_not_change_each_others_language() -> None:
    texts = [text for _, text in TEXTS + NEIGHBOURS] * 100
    assert languages(texts) == [languages([text])[0] for text in texts[:16]] * 100
    assert languages([]) == []


def test_without_a_model_neighbours_pass_for_english() -> None:
    assert detector("share") is shares
    assert languages([NEIGHBOURS[0][1]]) == ["en"]


@pytest.mark.slow
def test_lingua_tells_english_from_its_neighbours() -> None:
    pytest.importorskip("lingua")
    both = TEXTS[:5] + NEIGHBOURS
    assert languages([text for _, text in both], lingua_detector()) == [language for language, _ in both]


def test_a_language_that_is_not_wanted_is_a_reason() -> None:
    rows = [{"normal": text, "language": "unknown"} for _, text in TEXTS]
    rows += [{"normal": "whatever", "language": "en"}, {"normal": "x", "language": "unknown", "reason": "old: 1"}]
    made = language_batch(pa.RecordBatch.from_pylist(rows, schema=_SCHEMA), ["zh"]).to_pylist()
    assert [row["reason"] for row in made[:3]] == [""] * 3
    assert made[3]["reason"] == made[12]["reason"] == "other_language: en; expected zh"
    assert made[9]["reason"] == "other_language: unknown; expected zh"
    assert made[13]["reason"] == "old: 1"


_SCHEMA = pa.schema([(name, pa.string()) for name in ("normal", "language", "reason")])
