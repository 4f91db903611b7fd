"""The page: well-formed, self-contained, escaped, readable on a phone."""

from __future__ import annotations

import csv
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest

from huatuo import store
from huatuo.errors import DataError
from huatuo.recipe import ReportSettings, RunSettings
from huatuo.records import Fact, Figure, Finding, Origin
from huatuo.records_trained import SourceCount, StepLog
from huatuo.report import page
from huatuo.report.collect import collect

RUN = RunSettings(name="demo", title="huatuo demo <1>", demonstration=True)
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WARNING = "not a medical model"
SMALLEST = """Math.min(...[...document.querySelectorAll("svg text")].filter(t => t.getClientRects().length).map(t =>
  parseFloat(t.getAttribute("font-size")) * t.ownerSVGElement.clientWidth / t.ownerSVGElement.viewBox.baseVal.width))"""
"""Pixels of the smallest type in a picture that is shown."""


def made(folder: Path, folders: dict[str, Path], run: RunSettings = RUN, **settings) -> Path:
    """The folder of a finished report."""
    with store.writing(folder, stage="report", key="k") as out:
        page.write(ReportSettings(**settings), run, folders, out)
    return folder


@pytest.fixture(scope="session")
def report(finished: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("report") / "report", finished)


@pytest.fixture(scope="session")
def text(report: Path) -> str:
    return (report / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """All elements with their attributes, and whether tags are balanced."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag


def elements(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(text)
    parser.close()
    assert parser.stack == []
    return parser.found


def words(text: str) -> str:
    return " ".join("".join(ET.fromstring(text.removeprefix("<!doctype html>")).itertext()).split())


@pytest.mark.slow
def test_the_page_is_well_formed_as_html_and_as_xml(text):
    assert len(elements(text)) > 1000
    assert ET.fromstring(text.removeprefix("<!doctype html>")).tag == "html"


def test_the_first_words_say_that_it_is_a_demonstration_in_both_languages(text):
    body = words(text[text.index("<body") : text.index("</body>") + 7])
    assert body.index("不是医学模型") < body.index(WARNING) < body.index("学到了吗")
    assert body.index(WARNING) < 400


@pytest.mark.slow
def test_a_run_that_is_no_demonstration_does_not_say_so(finished, tmp_path):
    folder = made(tmp_path / "r", {"score": finished["score"]}, RunSettings(name="real"))
    shown = (folder / "report.html").read_text(encoding="utf-8")
    assert WARNING not in shown
    start = shown[shown.index("</h1>") : shown.index("Did it learn?")]  # it says in both languages what it is not
    assert "不是医疗器械" in start
    assert "no medical device and no physician" in start


@pytest.mark.slow
def test_a_recipe_without_questions_says_so_and_not_that_nothing_has_run(finished, tmp_path):
    stages = {name: finished[name] for name in ("order", "train")}
    for name in ("ingest", "questions", "ask", "score"):
        with store.writing(tmp_path / name, stage=name, key="k") as out:
            store.write_atomic(out.folder / "empty.json", "{}")
        stages[name] = tmp_path / name
    folder = made(tmp_path / "r", stages)
    shown = words((folder / "report.html").read_text(encoding="utf-8"))
    results = shown[shown.index("Did it learn?") : shown.index("From knowledge to answers")]
    assert "Not asked: the recipe names no questions (next: [questions])." in results
    assert "not run yet" not in results
    assert "0 answers" not in shown
    flow = (folder / "flow.en.svg").read_text(encoding="utf-8")
    assert flow.count("not in the recipe") == 2  # knowledge and answers
    assert flow.count("not run yet") == 2  # passages and pairs
    card = (folder / "model-card.md").read_text(encoding="utf-8")
    assert "Not asked: the recipe names no questions" in card


@pytest.mark.slow
def test_the_chinese_page_names_rules_kinds_and_models_in_chinese(finished, tmp_path):
    shown = (made(tmp_path / "r", finished, language="zh") / "report.html").read_text(encoding="utf-8")
    text = words(re.sub(r'<small class="code">.*?</small>|<code>.*?</code>', "", shown))
    for word in (
        "疾病",
        "直接提问",
        "造问答：特意不教",
        "与考题重合",
        "参照：最常见的答案",
        "警告",
        "对 50 x 20 组自助抽样",
    ):
        assert word in text
    for name in ("disease", "vignette", "withheld", "contaminated", "baseline:", "exact", "bootstrap", "most frequent"):
        assert name not in text, name
    assert "withheld" in shown  # in small print


def trained(folder: Path, steps: int, kept: int, found: Sequence[Finding] = ()) -> Path:
    """A training of 16 samples a step, 12 of them of the graph, that was to learn 4,000 and 1,000."""
    with store.writing(folder, stage="train", key="k") as out:
        counts = (SourceCount(source="graph", samples=12), SourceCount(source="sample_documents", samples=4))
        numbers = {"tokens": 10, "learned_tokens": 5, "loss": 1.0, "learning_rate": 1e-3, "gradient_norm": 1.0}
        for step in range(1, steps + 1):
            out.write("steps", StepLog(step=step, seconds=1.0, sources=counts, **numbers))
        for finding in found:
            out.write("findings", finding)
        out.figures |= {"samples of graph": 4000.0, "samples of sample_documents": 1000.0, "kept_step": float(kept)}
    return folder


@pytest.mark.parametrize("kept", [1, 3, 200, 250])
def test_the_composition_is_what_was_learned_up_to_the_weights_kept(finished, tmp_path, kept):
    folders = finished | {"train": trained(tmp_path / "train", 250, kept)}
    found = collect(folders, 3).composition
    assert found is not None
    assert (found.learned, found.total) == (True, 5000)
    ends = {source.name: (source.items, source.reached[-1]) for source in found.sources}
    assert ends == {
        "graph": (4000, (16.0 * kept, 12 * kept / 4000)),
        "sample_documents": (1000, (16.0 * kept, 4 * kept / 1000)),
    }
    text = (made(tmp_path / "r", folders, language="en") / "report.html").read_text(encoding="utf-8")
    assert f"graph: {12 * kept:,} of 4,000 learned" in text
    assert ("sample_documents: 1,000, learned by 4,000" in text) is (kept == 250)
    before = {name: folder for name, folder in finished.items() if name not in ("train", "ask", "score")}
    text = (made(tmp_path / "b", before, language="en") / "report.html").read_text(encoding="utf-8")
    assert "as drawn, not as learned" in text
    assert "learned by" not in text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_run_whose_loss_rose_says_so_first_and_before_all_other_findings(finished, tmp_path, language):
    about = {"severity": "warning", "subject": "train"}
    rose = "validation loss 1.060 before training, 4.263 after it; expected a fall; next: lower train.learning_rate, "
    rose += 'or set train.evaluate_every and train.keep = "best"'
    notes = [
        Finding(rule="validation_worse", place="held-out pairs", message=rose, **about),
        Finding(rule="clipped", place="9 steps", message="the gradient norm", **about),
    ]
    folders = finished | {"train": trained(tmp_path / "train", 9, 9, notes)}
    assert [rule for rule, *_ in collect(folders, 3).noted] == ["validation_worse", "clipped"]
    text = (made(tmp_path / "r", folders, language=language) / "report.html").read_text(encoding="utf-8")
    first = text[text.index('role="alert"') : text.index("<h1>")]
    assert ("训练前的验证损失为 1.060，训练后为 4.263" if language == "zh" else "4.263 after it") in first


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_what_looks_wrong_with_the_training_is_said_in_the_language_of_the_page(finished, tmp_path, language):
    message = (
        "validation loss 1.250 after step 500 and 2.625 at the end: what was learned after it fits the training pairs "
        'alone; next: set train.keep = "best", or fewer train.epochs'
    )
    with store.writing(tmp_path / "train", stage="train", key="k") as out:
        for step in store.read(finished["train"], "steps", StepLog):
            out.write("steps", step)
        about = {"rule": "validation_turned", "severity": "warning", "subject": "train", "place": "step 500"}
        out.write("findings", Finding(**about, message=message))
        out.figures.update(store.read_manifest(finished["train"]).figures)
    folder = made(tmp_path / "r", finished | {"train": tmp_path / "train"}, language=language)
    shown = words((folder / "report.html").read_text(encoding="utf-8"))
    assert (message in shown) is (language != "zh")
    assert ("第 500 步：第 500 步后的验证损失为 1.250，结束时为 2.625" in shown) is (language != "en")


def test_the_flow_says_what_its_score_is_of(report):
    flow = (report / "flow.en.svg").read_text(encoding="utf-8")
    for words in ("held-out phrasings", "exact %, n = 100", "base 0.0 [0.0, 9.8]", "ours 80.0 [70.2, 89.8]"):
        assert f">{words}</text>" in flow


def test_samples_are_not_called_a_fair_share(text):
    assert "Up to 6 right and 6 wrong, each drawn by a hash of the question's id" in words(text)


def test_all_numbers_are_folded_by_group_with_every_signature(text):
    folded = text.rindex("<details>", 0, text.index("全部数字"))
    part = text[folded : text.index('<section id="flow">')]
    assert part.count("<details>") == 1 + 5  # one for all, one per group
    assert "the answer sentence that was taught" in part  # what BLEU compares with
    places = set(re.findall(r">(S\d+)</abbr>", part))
    assert places
    for place in places:
        assert re.search(rf"<li>{place} <code>metric:", text)


def test_every_question_opens_to_prompt_response_reading_and_rule(report, text):
    part = text[text.index('<section id="answers">') :]
    part = part[: part.index("</section>")]
    asked = part.count('class="asked"')
    assert 200 < asked <= 240
    assert part.count("提示原文") == 2 * asked  # two models each
    assert "<dt>user</dt>" in part
    with (report / "scores.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) > 2 * asked


def test_each_number_of_a_run_has_a_line_to_cite(text):
    folded = text[text.index("引用这些数字") :]
    lines = re.findall(r"<code>([^<]*n=[^<]*)</code>", folded[: folded.index("</details>")])
    assert len(lines) == 2 * 5  # base and ours of every group
    assert all("|questions:" in line and "|seed:2023" in line and "huatuo:" in line for line in lines)


@pytest.mark.slow
def test_nothing_is_loaded_from_anywhere(text):
    for tag, attributes in elements(text):
        assert tag not in ("img", "link", "iframe", "object", "embed", "base", "form")
        assert not {"src", "href", "action", "srcset"} & attributes.keys(), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_hostile_answers_are_shown_and_never_run(text):
    assert "&lt;script&gt;alert(" in text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "\x00" not in text
    assert len([tag for tag, _ in elements(text) if tag == "script"]) == 1


def test_the_first_table_holds_the_verdicts(text):
    table = words(text[text.index("<table") : text.index("</table>") + 8])
    for word in (
        "held-out phrasings",
        "learned",
        "学会了",
        "80.0 %",
        "+80.0",
        "[+70.2, +89.8]",
        "control: no sign of knowing it (up to 10.8 % is possible)",
        "50 个实体 × 20 种问法",
        "50 entities × 20 wordings",
    ):
        assert word in table


def test_figures_are_live_text_in_both_languages(text):
    pictures = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(pictures) == 5  # the flow twice (wide and narrow), three charts
    for picture in pictures:
        tree = ET.fromstring(picture)
        shown = [node for node in tree.iter() if node.tag.endswith("text")]
        assert len(shown) >= 6
        assert all(node.text for node in shown)
        assert {"zh", "en"} <= {node.get("class") for node in shown}
    assert "4,712 kept" in pictures[0]
    assert "− 72 withheld" in pictures[0]
    assert "sample_documents" in text


def test_ledger_losses_and_pairs_add_up(finished):
    found = collect(finished, samples=6)
    assert found.ledger is not None
    assert sum(n for _, n in found.ledger.taught) == found.ledger.facts == 720
    assert dict(found.ledger.taught)["0"] == sum(n for _, n in found.ledger.untaught)
    assert dict(found.ledger.untaught)["synth: withheld"] == 72
    assert sum(found.pairs.values()) == found.rows("unify", "pairs")
    assert found.contaminated() == 4
    assert all(loss.reason for loss in found.losses)
    assert found.positions == 4712
    assert found.composition is not None
    assert not found.composition.learned  # that training does not say how much of each source it was to learn
    assert sum(source.items for source in found.composition.sources) == found.composition.total == 4712
    assert all(source.reached[-1] == (4712.0, 1.0) for source in found.composition.sources)
    assert found.curve[-1][0] == 1500
    assert found.tokens == 3_000_000


def test_exam_questions_in_the_training_pairs_are_counted_not_given_in_percent(text):
    part = words(text)[words(text).index("Overlap of exam questions with the training pairs") :]
    assert "sample_exam很可能 likelylikely3n40" in part  # group, grade, count 3 of 40
    for grade, share in (("exact", 80), ("likely", 50), ("possible", 20)):  # each grade is defined
        assert re.search(rf"{grade}: [^:]*one training pair holds at least {share}% of the runs of 5 tokens", part)
    assert "300.0 %" not in text


@pytest.mark.slow
def test_a_pair_that_was_never_learned_teaches_nothing(finished, tmp_path):
    before = collect(finished, samples=0).ledger
    ids = [row["pair_id"] for batch in store.read_batches(finished["order"], "order") for row in batch.to_pylist()]
    with store.writing(tmp_path / "train", stage="train", key="k") as out:
        (out.folder / "model").write_text("weights")
        for pair in ids:
            out.leave(pair, "after the last step", "train.steps = 1 ended before its turn")
    after = collect({**finished, "train": tmp_path / "train"}, samples=0).ledger
    assert before is not None
    assert after is not None
    assert dict(before.taught)["0"] == 78
    assert dict(after.taught)["0"] == 720
    assert dict(after.untaught)["train: after the last step"] > 600


@pytest.mark.slow
def test_samples_are_as_many_right_as_wrong_and_the_same_each_time(finished):
    found = collect(finished, samples=6)
    assert [sample.right for sample in found.samples] == [True] * 6 + [False] * 6
    assert len({sample.question.group for sample in found.samples}) == 4
    assert all(sample.question.kind == "single" for sample in found.exam_samples)
    again = collect(finished, samples=6)
    assert [s.question.id for s in again.samples] == [s.question.id for s in found.samples]


@pytest.mark.slow
def test_every_part_may_be_missing(finished, tmp_path):
    for stages in ((), ("ingest",), ("ingest", "synth"), ("ask",), ("order", "train")):
        folder = made(tmp_path / "-".join(("r", *stages)), {stage: finished[stage] for stage in stages})
        shown = (folder / "report.html").read_text(encoding="utf-8")
        elements(shown)
        assert "not run yet" in words(shown)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["zh", "en"])
def test_one_language_shows_only_that_one(finished, tmp_path, language):
    folder = made(tmp_path / "r", finished, language=language)
    shown = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script" not in shown
    assert ("学到了吗" in shown) is (language == "zh")
    assert ("Did it learn?" in shown) is (language == "en")


@pytest.mark.slow
def test_worse_than_the_base_is_said_first(tmp_path):
    with store.writing(tmp_path / "score", stage="score", key="k") as out:
        for model, value in (("base", 0.8), ("ours", 0.5)):
            out.write(
                "figures",
                Figure(name="exam", model=model, metric="accuracy", value=value, low=value, high=value, n=100),
            )
        out.write(
            "figures", Figure(name="exam", model="ours", metric="difference", value=-0.3, low=-0.4, high=-0.2, n=100)
        )
    folder = made(tmp_path / "r", {"score": tmp_path / "score"})
    shown = words((folder / "report.html").read_text(encoding="utf-8"))
    assert shown.index("after training the model is worse than the base on: exam") < shown.index("Did it learn?")
    assert store.read_manifest(folder).figures["worse than base"] == 1


def test_a_damaged_data_set_is_an_error_and_leaves_no_report(finished, tmp_path):
    broken = tmp_path / "score"
    shutil.copytree(finished["score"], broken)
    next(broken.glob("figures*.parquet")).unlink()
    with pytest.raises(DataError, match="missing"):
        made(tmp_path / "r", {"score": broken})
    assert not (tmp_path / "r").exists()


def test_files_beside_the_page(report):
    rows = list(csv.DictReader((report / "tables.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [row["verdict"] for row in rows] == [
        "learned",
        "learned",
        "learned",
        "control: no sign of knowing it (up to 10.8 % is possible)",
        "learned",
    ]
    assert float(rows[0]["ours"]) == 0.8
    assert len(list(csv.reader((report / "figures.csv").read_text(encoding="utf-8-sig").splitlines()))) == 27
    assert "learned" in (report / "tables.tex").read_text(encoding="utf-8")
    for language, word in (("zh", "知识"), ("en", "Knowledge")):
        flow = ET.parse(report / f"flow.{language}.svg").getroot()
        assert word in "".join(flow.itertext())
        assert flow.get("viewBox")
    card = (report / "model-card.md").read_text(encoding="utf-8")
    assert card.index(WARNING) < card.index("## Results")
    assert "| held-out phrasings | exact | 100 |" in card
    assert "| unify | dropped | near-duplicate | 121 |" in (report / "data-card.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_running_again_gives_the_same_bytes(finished, report, tmp_path):
    again = made(tmp_path / "r", finished)
    for path in report.iterdir():
        if path.suffix != ".json":
            assert path.read_bytes() == (again / path.name).read_bytes(), path.name


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium or chrome is installed")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_horizontal_overflow_and_no_error_in_a_browser(report, language):
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    asked: list[str] = []
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        for width in (360, 1280, 1920):
            tab = browser.new_page(viewport={"width": width, "height": 800})
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
            tab.on("request", lambda request: asked.append(request.url))
            tab.goto(f"{(report / 'report.html').as_uri()}#{language}")
            for box in tab.query_selector_all("details"):
                box.evaluate("node => { node.open = true }")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            assert tab.evaluate("[...document.querySelectorAll('.box')].every(n => n.scrollWidth <= n.clientWidth)")
            assert float(tab.evaluate(SMALLEST)) >= 10.9
            assert tab.locator("h2").first.inner_text() == {"zh": "学到了吗？", "en": "Did it learn?"}[language]
            other = {"zh": "English", "en": "中文"}[language]
            tab.get_by_role("button", name=other).click()
            assert tab.locator("h2").first.inner_text() == {"en": "学到了吗？", "zh": "Did it learn?"}[language]
            tab.reload()  # the choice sticks
            assert tab.locator("h2").first.inner_text() == {"en": "学到了吗？", "zh": "Did it learn?"}[language]
        browser.close()
    assert said == []
    assert all(url.startswith("file:") for url in asked)


@pytest.mark.slow
def test_the_ledger_says_what_is_taught_of_each_relation_and_opens_to_pairs(finished, tmp_path):
    text = (made(tmp_path / "r", finished) / "report.html").read_text(encoding="utf-8")
    part = text[text.index('<section id="ledger">') : text.index('<section id="repeat">')]
    found = collect(finished, samples=0).ledger
    assert found is not None
    assert f"<strong>{found.known:,}</strong> / 720" in part
    assert part.count('<th scope="row">') >= len(found.coverage) == 24  # four kinds with six relations
    assert sum(row.facts for row in found.coverage) == 720
    assert sum(row.taught for row in found.coverage) == found.known
    assert {shape for row in found.coverage for shape in row.shapes} == set(found.shapes)
    for row in found.coverage:
        assert f"{row.relation}<br/>" in part
    assert [shown.entry.pairs for shown in found.least] == sorted(shown.entry.pairs for shown in found.least)
    assert found.most[0].entry.pairs == max(shown.entry.pairs for shown in found.most)
    for shown in (*found.least, *found.most):
        assert 1 <= len(shown.pairs) <= min(3, shown.entry.pairs)
        for pair in shown.pairs:
            assert pair.turns[0][1] in part  # the question stands in the page, folded
    assert sum(reason.count for reason in found.reasons) == 720 - found.known
    for reason in found.reasons:
        assert sum(n for _, n in reason.relations) == reason.count
        assert 1 <= len(reason.examples) <= 3
        hidden = reason.count - len(reason.examples)
        said = f"{hidden:,}: <code>huatuo show RUN --facts -n 720</code>"
        assert (said in part) == (hidden > 0)


@pytest.mark.slow
def test_a_ledger_of_many_relations_is_folded(tmp_path):
    origin = Origin(source="kg", file="f", place="line 1")
    with store.writing(tmp_path / "ingest", stage="ingest", key="k") as out:
        for n in range(30):
            about = {"entity_id": "e", "entity": "甲病", "kind": "disease", "relation": f"关系{n}", "value": f"值{n}"}
            out.write("facts", Fact(id=f"f{n}", origin=origin, **about))
    folder = made(tmp_path / "r", {"ingest": tmp_path / "ingest"})
    text = (folder / "report.html").read_text(encoding="utf-8")
    part = text[text.index('<section id="ledger">') : text.index('<section id="repeat">')]
    assert "<details><summary>" in part[: part.index("<table")]
    assert part.count("关系") >= 30
    assert "(0.0 %)" in part
