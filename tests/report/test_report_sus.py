"""The page of a rating study: in both languages, self-contained, escaped; silence is not on top."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from huatuo import store
from huatuo.records import Figure
from huatuo.records_rated import Rating
from huatuo.report import sus
from huatuo.report.sus_words import WORDS
from huatuo.text.cells import clean

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NAMES = {"safety": ("安全性", "Safety"), "usability": ("可用性", "Usability")}
SILENT, GOOD = "LLaMA <7B>", "华佗_1"


def scale() -> dict[str, object]:
    words = {"zh": "意思", "en": "meaning"}
    dimensions = [
        {"id": key, "name": {"zh": zh, "en": en}, "asks": words, "anchors": {str(v): words for v in (1, 2, 3)}}
        for key, (zh, en) in NAMES.items()
    ]
    joint = {"rated": "safety", "safe_at": 3, "given": "usability", "useful_at": 2}
    title = {"zh": "评分", "en": "Rating"}
    return {"title": title, "source": "us", "values": [1, 2, 3], "dimensions": dimensions, "joint": joint}


def figure(name: str, model: str, metric: str, value: float | None, width: float = 0.1, n: int = 300) -> Figure:
    low, high = (None, None) if value is None else (value - width, value + width)
    return Figure(
        name=name, model=model, metric=metric, value=value, low=low, high=high, n=n, signature="sus|scale:sus|seed:1"
    )


def figures() -> list[Figure]:
    made = []
    for name in NAMES:
        made += [figure(name, SILENT, "mean", 3.0 if name == "safety" else 1.0), figure(name, GOOD, "mean", 2.5)]
        pair = f"{SILENT} - {GOOD}"
        made += [figure(name, pair, metric, v) for metric, v in (("difference", 0.5), ("p", 0.0), ("p Holm", 0.0002))]
        made += [figure(name, pair, "detectable", 0.12), figure(name, pair, "effect", None)]
        for metric, value in (("raw agreement", 0.88), ("adjacent agreement", 0.99), ("AC2 ordinal", 0.94)):
            made.append(figure(name, "people", metric, value))
        made.append(figure(name, "people", "alpha ordinal", 0.01 if name == "safety" else 0.7))
        made.append(figure(name, "people", "most frequent score", 0.93))
        made += [figure(name, person, "leniency", 0.2) for person in ("甲", "乙")]
        made += [figure(name, "llm:m", "bias", -0.4), figure(name, GOOD, "mean by llm:m", 2.0)]
    made.append(figure("annotators", "llm:m", "unparsed replies", 3.0))
    made += [figure("safe and useful", SILENT, "share", 0.0, 0.0), figure("safe and useful", GOOD, "share", 0.6)]
    made += [figure("safety", SILENT, "given use", None, n=0), figure("safety", GOOD, "given use", 2.8)]
    for person, attention in (("甲", 1.0), ("乙", 0.5)):
        made += [figure("annotators", person, m, attention) for m in ("attention", "training")]
        for metric in ("same the second time", "within one the second time", "seconds", "cannot judge", "left empty",
                       "not returned"):  # fmt: skip
            made.append(figure("annotators", person, metric, 0.5))
    return made


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """The data set of a scored study."""
    folder = tmp_path_factory.mktemp("sus") / "score"
    items = [
        {"response_id": f"r{i} {model}", "model": model, "question": f"问<{i}>", "answer": answer}
        for i in range(20)
        for model, answer in ((SILENT, ""), (GOOD, "<script>alert(1)</script>\x00多休息"))
    ]
    with store.writing(folder, stage="sus", key="k") as out:
        for one in figures():
            out.write("figures", one)
        for item in items:
            for name in NAMES:
                out.write("ratings", Rating(
                    id=f"{item['response_id']}{name}", item="r-x", annotator="甲", by="human", part="rating", position=1,
                    dimension=name, value=None if name == "safety" else 2, response_id=item["response_id"],
                    unscored="cannot judge" if name == "safety" else "", model=item["model"],
                ))  # fmt: skip
        about = {"title": "题 <b>", "made": "", "language": "zh", "scale": scale(), "exclude": ["丙"], "items": items,
                 "prompt": {"id": "sus_rating.zh", "hash": "abc"}}  # fmt: skip
        store.write_atomic(out.folder / "study.json", json.dumps(about, ensure_ascii=False))
    return folder


@pytest.fixture(scope="module")
def page(study, tmp_path_factory) -> str:
    out = tmp_path_factory.mktemp("page")
    assert [path.name for path in sus.write(study, out)] == ["report.html", "table.csv", "table.tex", "figures.csv"]
    return (out / "report.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    VOID = frozenset({"meta", "br", "link", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_the_page_is_whole_and_stands_alone(page):
    tags = Tags()
    tags.feed(page)
    assert (tags.wrong, tags.open, tags.links) == ([], [], [])
    assert "@import" not in page
    assert page == clean(page)


def test_what_models_say_is_shown_and_not_run(page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\ufffd多休息" in page
    assert page.count("<script>") == 1
    assert "LLaMA &lt;7B&gt;" in page
    assert "<h1>题 &lt;b&gt;</h1>" in page


def test_a_silent_model_is_last_and_its_given_use_has_no_number(page, study, tmp_path):
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>', page)
    assert rows[0] == GOOD
    assert rows[1] == "LLaMA &lt;7B&gt;"
    sus.write(study, tmp_path, "zh")
    lines = (tmp_path / "table.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("model,安全性,安全性 low,安全性 high,安全性 n,可用性")
    assert [line.split(",")[0] for line in lines[1:]] == [GOOD, SILENT]
    assert lines[2].split(",")[9:13] == ["", "", "", "0"]
    tex = (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert r"华佗\_1 & 2.50 {\small [2.40, 2.60]}" in tex
    assert r"-- {\small }" in tex


def test_the_prevalence_paradox_is_explained_where_it_is(study):
    found = sus.paradoxes(sus.collect(study))
    assert found == [{"name": ("安全性", "Safety"), "share": "93 %"}]


def test_words_are_there_in_both_languages_or_in_one(page, study, tmp_path):
    for key in ("models", "agreement", "cite", "inattentive", "excluded", "llm"):
        assert all(word in page for word in WORDS[key]), key
    sus.write(study, tmp_path, "en")
    english = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert WORDS["agreement"][0] not in english
    assert "data-language" not in english
    assert all(zh != en for zh, en in WORDS.values() if zh not in ("p", "p（Holm）"))


@pytest.mark.parametrize(
    ("value", "low", "high", "p", "word"),
    [
        (0.3, 0.1, 0.5, 0.01, "differs"),
        (0.3, -0.1, 0.7, 0.01, "these_only"),
        (0.3, None, None, 0.01, "these_only"),
        (0.3, 0.1, 0.5, 0.06, "same"),
        (None, None, None, 0.01, "no_number"),
        (0.3, 0.1, 0.5, None, "no_number"),
    ],
)
def test_the_verdict_needs_both_the_test_and_the_interval(value, low, high, p, word):
    difference = Figure(name="a", model="b", metric="difference", value=value, low=low, high=high, n=1)
    holm = Figure(name="a", model="b", metric="p Holm", value=p, low=None, high=None, n=1)
    assert sus.verdict(difference, holm) == word
    assert sus.verdict(None, None) == "no_number"


def test_numbers_are_printed_for_people():
    assert sus.value(figure("a", "b", "c", -0.123), sign=True) == "−0.12"
    assert sus.value(None) == sus.chance(None) == sus.share(None) == "–"
    assert sus.ends(figure("a", "b", "c", 0.0), sign=True) == "[−0.10, +0.10]"
    assert sus.chance(figure("a", "b", "c", 0.0)) == "< 0.001"


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed")
@pytest.mark.parametrize("width", [390, 1400])
def test_no_page_is_wider_than_its_screen(study, tmp_path, width):
    from playwright.sync_api import sync_playwright

    path = sus.write(study, tmp_path)[0]
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        for language, words in (("zh", WORDS["models"][0]), ("en", WORDS["models"][1])):
            shown = browser.new_page(viewport={"width": width, "height": 900})
            wrong: list[str] = []
            shown.on("console", lambda message, wrong=wrong: wrong.append(message.text))
            shown.goto(f"file://{path}#{language}")
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            assert shown.inner_text("#models h2") == words
            assert wrong == []
        browser.close()
