import pytest
from eval_sets import FakeModel, exam, pair, probe

from huatuo import store
from huatuo.eval.ask import ask
from huatuo.eval.score import score
from huatuo.llm.base import Reply
from huatuo.recipe import AskSettings, ScoreSettings
from huatuo.records import Dropped, Figure, Question, Response, Score

SETTINGS = ScoreSettings(resamples=200)
OTHER = [pair("你好", "您好")]


def teaching(questions):
    """Pairs that teach what is asked, besides what is withheld."""
    asked = [q for q in questions if q.kind == "knowledge" and q.group != "withheld entities"]
    return [*OTHER, *(pair(f"教：{q.stem}{q.id}", "、".join(q.gold), q.parents) for q in asked)]


@pytest.fixture
def scored(dataset, training, tmp_path):
    """Asks the models and scores the answers; gives the scores of each question and model, and the figures."""

    def go(questions, models, pairs=None, settings=SETTINGS, key="k", late=(), limit=0):
        folder, trained = (
            dataset("questions", questions),
            training(teaching(questions) if pairs is None else pairs, late),
        )
        with store.writing(tmp_path / "ask", stage="ask", key=key) as out:
            ask(AskSettings(limit=limit), folder, models, 1, out)
        with store.writing(tmp_path / "score", stage="score", key=key) as out:
            score(settings, {**trained, "questions": folder, "ask": tmp_path / "ask"}, 1, out)
        scores = {(s.question_id, s.model, s.metric): s for s in store.read(tmp_path / "score", "scores", Score)}
        found = list(store.read(tmp_path / "score", "figures", Figure))
        figures = {(f.name, f.model, f.metric): f for f in found}
        assert len(figures) == len(found)
        return scores, figures

    return go


@pytest.mark.parametrize(
    ("kind", "gold", "said", "value"),
    [
        ("single", "B", "B", 1.0),
        ("single", "B", "答案是B。", 1.0),
        ("single", "B", "应选青霉素", 1.0),
        ("single", "B", "答案是C。", 0.0),
        ("single", "B", "BC", None),
        ("single", "B", "", None),
        ("single", "B", "抱歉，我无法回答。", None),
        ("multiple", "BD", "答案是BD。", 1.0),
        ("multiple", "BD", "答案是B。", 0.0),
        ("multiple", "BD", "答案是BDE。", 0.0),
        ("multiple", "B", "B", 1.0),
    ],
)
def test_an_exam_answer(scored, kind, gold, said, value):
    question = exam(1, gold, kind)
    scores, figures = scored([question], {"ours": FakeModel(lambda text: said)})
    (found,) = scores.values()
    assert (found.metric, found.value, bool(found.unscored)) == ("accuracy", value, value is None)
    figure = figures["exam", "ours", "accuracy"]
    assert (figure.value, figure.n, figure.unscored) == (value or 0.0, 1, int(value is None))


@pytest.mark.parametrize(
    ("said", "exact", "f1"),
    [
        ("肺炎的症状有发热、咳嗽。", 1.0, 1.0),
        ("咳嗽、发热", 1.0, 1.0),
        ("肺炎的症状有发热。", 0.0, 2 / 3),
        ("肺炎的症状有发热、咳嗽、乏力。", 0.0, 0.8),
        ("肺炎的症状有发热、咳嗽、瞳孔缩小。", 0.0, 0.8),
        ("肺炎没有发热、咳嗽。", 0.0, 0.0),
        ("不知道", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_a_probe_answer(scored, said, exact, f1):
    asked, other = probe("肺炎", ["发热", "咳嗽"]), probe("贫血", ["乏力"])
    scores, _ = scored([asked, other], {"ours": FakeModel(lambda text: said)})
    assert scores[asked.id, "ours", "exact"].value == exact
    assert scores[asked.id, "ours", "f1"].value == pytest.approx(f1)
    assert {m for q, _, m in scores if q == asked.id} == {"exact", "f1"}


@pytest.mark.parametrize(("reason", "unscored"), [("refused", "refused"), ("error", "the call failed")])
def test_refusals_and_failures_have_no_value_and_count_as_wrong(scored, reason, unscored):
    questions = [exam(1), exam(2), probe("肺炎", ["发热"])]

    def reply(text):
        return "A" if "第1题" in text else Reply(text="A 发热", finish_reason=reason)

    scores, figures = scored(questions, {"ours": FakeModel(reply)})
    assert {(s.value, s.unscored) for (q, _, _), s in scores.items() if q != questions[0].id} == {(None, unscored)}
    figure = figures["exam", "ours", "accuracy"]
    assert (figure.value, figure.n, figure.unscored) == (0.5, 2, 1)
    figure = figures["held-out phrasings", "ours", "exact"]
    assert (figure.value, figure.n, figure.unscored) == (0.0, 1, 1)


def test_an_open_question_has_overlap_only(scored):
    question = Question(
        id="q", exam="cases", kind="open", group="cases", stem="如何处理？", reference="多喝水，卧床休息。"
    )
    scores, figures = scored([question], {"ours": FakeModel(lambda text: "多喝水，卧床休息。")})
    assert {metric: s.value for (_, _, metric), s in scores.items()} == pytest.approx(
        {"bleu": 1.0, "rouge-l": 1.0, "numbers": 1.0}
    )
    assert not [model for _, model, _ in figures if model.startswith("baseline")]
    scores, _ = scored([question], {"ours": FakeModel()}, settings=ScoreSettings(overlap=("rouge",)), key="rouge")
    assert {metric: s.value for (_, _, metric), s in scores.items()} == {"rouge-l": 0.0}


def test_wilson_of_an_exam_and_the_paired_difference(scored):
    questions = [exam(i, "AB"[i % 2]) for i in range(400)]
    right = {question.stem: question.gold[0] for question in questions}
    ours = FakeModel(lambda text: right[text.splitlines()[1].partition("]")[2]], digest="o")
    _, figures = scored(questions, {"base": FakeModel(lambda text: "A", digest="b"), "ours": ours})
    base = figures["exam", "base", "accuracy"]
    assert (base.value, base.n, base.method) == (0.5, 400, "Wilson")
    assert (base.low, base.high) == pytest.approx((0.45124, 0.54876), abs=1e-5)
    assert figures["exam", "ours", "accuracy"].value == 1.0
    difference = figures["exam", "ours - base", "difference"]
    assert difference.value == 0.5
    assert 0.4 < difference.low < 0.5 < difference.high < 0.6
    assert figures["exam", "baseline: random", "accuracy"].value == pytest.approx(0.2)
    assert figures["exam", "baseline: most frequent", "accuracy"].value == 0.5
    assert all(figure.signature for figure in figures.values())


def test_baselines_of_an_exam_keep_the_kinds_apart(scored):
    questions = [exam(i, "A") for i in range(3)] + [exam(i, "AB", "multiple") for i in range(3, 6)]
    _, figures = scored([*questions, exam(6, "C")], {"ours": FakeModel()})
    assert figures["exam", "baseline: random", "accuracy"].value == pytest.approx((4 / 5 + 3 / 31) / 7)
    assert figures["exam", "baseline: most frequent", "accuracy"].value == pytest.approx(6 / 7)


def test_the_most_frequent_taught_answer_is_scored_on_every_group(scored):
    taught = [probe(f"病{i}", ["发热"] if i < 6 else [f"症状{i}"]) for i in range(10)]
    withheld = [probe(f"藏{i}", ["发热"] if i < 1 else ["腹痛"], "withheld entities") for i in range(4)]
    pairs = [pair(q.stem, "、".join(q.gold), q.parents) for q in taught]
    pairs += [pair(f"{q.stem}?", "腹痛", q.parents, split="validation") for q in withheld]
    _, figures = scored([*taught, *withheld], {"ours": FakeModel(lambda text: "发热")}, pairs)
    constant, chance = "baseline: most frequent", "baseline: random"
    assert figures["held-out phrasings", constant, "exact"].value == 0.6
    assert figures["withheld entities", constant, "exact"].value == 0.25
    assert figures["held-out phrasings", chance, "exact"].value == pytest.approx((6 * 0.6 + 4 * 0.1) / 10)
    assert figures["withheld entities", chance, "exact"].value == pytest.approx(0.6 / 4)
    assert figures["held-out phrasings", "ours", "exact"].value == 0.6


def test_nothing_taught_is_no_baseline(scored):
    _, figures = scored([probe("肺炎", ["发热"]), probe("哮喘", ["咳嗽"])], {"ours": FakeModel()}, OTHER)
    assert {(name, model) for name, model, _ in figures} == {("not taught after all", "ours")}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["refused", "held out for validation", "after the last step"])
def test_what_was_not_taught_after_all_is_no_failure_to_learn(scored, way):
    questions = [probe(f"病{i}", [f"症状{i}"]) for i in range(100)]
    pairs = teaching(questions)
    lost = [p for p in pairs if p.parents and int(p.parents[0].partition(" ")[0][1:]) < 20]
    if way == "refused":
        kept, late = [p for p in pairs if p not in lost], ()
    elif way == "held out for validation":
        kept, late = [p.model_copy(update={"split": "validation"}) if p in lost else p for p in pairs], ()
    else:
        kept, late = pairs, [p.id for p in lost]
    known = FakeModel(
        lambda text: "症状" + text.partition("会")[0][1:] if int(text.partition("会")[0][1:]) >= 20 else ""
    )
    _, figures = scored(questions, {"ours": known}, kept, late=late)
    learned, lost_figure = (figures[g, "ours", "exact"] for g in ("held-out phrasings", "not taught after all"))
    assert (learned.value, learned.n, lost_figure.value, lost_figure.n) == (1.0, 80, 0.0, 20)


def test_only_what_was_asked_is_in_baselines_and_contamination(scored):
    questions = [exam(i) for i in range(100)] + [probe(f"病{i}", [f"症状{i}"]) for i in range(100)]
    _, figures = scored(questions, {"ours": FakeModel()}, limit=20)
    assert {figure.n for figure in figures.values() if figure.value is not None} == {20}


def test_a_group_without_a_question_is_a_row_without_a_number(scored):
    _, figures = scored([probe("肺炎", ["发热"])], {"ours": FakeModel()})
    figure = figures["held-out, no shared word", "ours", "exact"]
    assert (figure.value, figure.n) == (None, 0)


def test_an_answer_in_the_taught_words_is_the_reference_of_its_overlap(scored):
    question = probe("肺炎", ["发热", "咳嗽"]).model_copy(update={"reference": "肺炎的症状有发热、咳嗽。"})
    scores, _ = scored([question], {"ours": FakeModel(lambda text: "肺炎的症状有发热、咳嗽。")})
    assert scores[question.id, "ours", "bleu"].value == pytest.approx(1.0)


@pytest.mark.slow
def test_what_fails_by_wording_makes_a_wide_interval(scored):
    questions = [
        probe(f"病{i}", [f"症状{i}"]).model_copy(update={"id": f"{i} {j}", "stem": f"病{i}，{j}？", "wording": str(j)})
        for i in range(60)
        for j in range(10)
    ]
    known = FakeModel(lambda text: "" if "，3" in text else "症状" + text.partition("，")[0][1:])
    _, figures = scored(questions, {"ours": known})
    figure = figures["held-out phrasings", "ours", "exact"]
    assert figure.value == 0.9
    assert "60 x 10 clusters" in figure.method
    assert figure.high - figure.low > 0.2


@pytest.mark.slow
def test_the_interval_of_the_probe_is_over_entities(scored):
    questions = [
        probe(f"病{i}", [f"症状{i}"]).model_copy(update={"id": f"{i} {j}", "stem": f"病{i}，{j}？"})
        for i in range(50)
        for j in range(6)
    ]
    known = FakeModel(lambda text: "症状" + text.partition("，")[0][1:] if int(text.partition("，")[0][1:]) % 2 else "")
    _, figures = scored(questions, {"ours": known})
    figure = figures["held-out phrasings", "ours", "exact"]
    assert (figure.value, figure.n) == (0.5, 300)
    assert "over 50 clusters" in figure.method
    assert figure.high - figure.low > 0.2


def test_groups_of_the_probe_come_first(scored):
    questions = [exam(1), probe("乙", ["发热"], "withheld entities"), probe("甲", ["发热"])]
    _, figures = scored(questions, {"ours": FakeModel()})
    assert [*dict.fromkeys(name for name, model, _ in figures if figures[name, model, _].n)] == [
        "held-out phrasings",
        "withheld entities",
        "exam",
        "facts asked",
    ]


@pytest.mark.slow
def test_questions_that_were_trained_on_are_counted(scored):
    stems = [
        "患者男性四十五岁反复上腹痛三年伴夜间饥饿痛首选的检查方法是什么",
        "老年女性突发胸痛两小时心电图提示前壁导联抬高应当如何紧急处理",
        "新生儿生后二十四小时内出现黄疸最可能的病因是下列哪一种情况",
        "产妇分娩后大量阴道出血子宫轮廓不清首先应当采取的措施是哪项",
    ]
    questions = [exam(i, stem=stem) for i, stem in enumerate(stems)] + [probe("肺炎", ["发热"])]
    pairs = [
        pair("请回答：" + stems[0], "胃镜"),
        pair(stems[0][:20], "胃镜"),
        pair("想问一下，" + stems[1][:20], "溶栓"),
        pair(stems[2][:12] + "，这是怎么回事", "溶血"),
        pair(stems[3], "按摩子宫", split="validation"),
        pair("肺炎会怎么样？", "发热"),
        *[pair(f"第{i}个病人怎么了", f"他得了第{i}号病") for i in range(1000)],
    ]
    _, figures = scored(questions, {"ours": FakeModel()}, pairs)
    counts = {metric: (f.value, f.n) for (_, model, metric), f in figures.items() if model == "pairs"}
    assert counts == {
        "contamination: exact": (1.0, 4),
        "contamination: likely": (1.0, 4),
        "contamination: possible": (1.0, 4),
    }


def test_a_response_to_an_unknown_question_is_dropped(dataset, training, tmp_path):
    stranger = exam(99)
    with store.writing(tmp_path / "ask", stage="ask", key="k") as out:
        ask(AskSettings(), dataset("questions", [exam(1), stranger]), {"ours": FakeModel()}, 1, out)
    with store.writing(tmp_path / "score", stage="score", key="k") as out:
        folders = {**training(OTHER), "questions": dataset("questions", [exam(1)]), "ask": tmp_path / "ask"}
        score(SETTINGS, folders, 1, out)
    (dropped,) = store.read(tmp_path / "score", "dropped", Dropped)
    assert dropped.rule == "unknown question"
    assert len(list(store.read(tmp_path / "ask", "responses", Response))) == 2


def test_scoring_again_gives_the_same_numbers(scored, tmp_path):
    questions = [probe(f"病{i}", [f"症状{i % 5}"]) for i in range(30)] + [exam(i) for i in range(30)]
    digests = set()
    for key in ("first", "second"):
        scored(questions, {"base": FakeModel(digest="b"), "ours": FakeModel(lambda text: "症状1", digest="o")}, key=key)
        digests.add(store.read_manifest(tmp_path / "score").digest)
    assert len(digests) == 1
