"""Two models talk: the patient says the case alone, the physician the facts, line by line from the cache."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from fake_teacher import KEY, FakeTeacher, completion
from huatuo.checks import redflags
from huatuo.checks.entities import Dictionary
from huatuo.errors import RefusedError
from huatuo.llm import consultation
from huatuo.llm.cache import Cached
from huatuo.llm.http import Endpoint
from huatuo.llm.teachers import doctor_of
from huatuo.llm.template import OfflineTeacher, read_block
from huatuo.recipe import SynthSettings
from huatuo.records import Dropped, Pair
from huatuo.store import read, read_manifest, writing
from huatuo.synth.consult import Case, revealed
from huatuo.synth.expect import Caches, asked, expect, says
from huatuo.synth.ground import Ground
from huatuo.synth.make import make_pairs
from huatuo.synth.parse import QA

CASE = Case("c", "zh", {"age": "45岁", "sex": "女", "symptoms": ["发热", "皮疹"], "wants": ["检查"]}, {}, ())
GROUND = Ground(Dictionary(["麻疹", "肺炎", "皮疹", "血常规", "女性", "男性"]))


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("医生，我45岁，发烧，身上有皮疹，要做什么检查？", ""),
        ("我发热三天了，还有皮疹。", "3"),
        ("我发热，还咳嗽。", "咳嗽"),
        ("我没有发热，只有皮疹。", "发热"),
        ("我发热，是不是得了麻疹？", "麻疹"),
        ("没有咳嗽。", "咳嗽"),
        ("吃药以后会头痛吗？", ""),
        ("好的，谢谢医生。", ""),
        ("我是女性，发热。", ""),
        ("我是男性，发热。", "男性"),
    ],
)
def test_a_patient_says_what_the_case_holds_and_nothing_else(said: str, refused: str) -> None:
    found = revealed(GROUND, CASE, [], said)
    assert (found is not None) == bool(refused), found
    if found:
        assert found.rule == "revealed"
        assert refused in found.reason


@pytest.mark.parametrize(
    ("said", "fine"),
    [
        ("没有咳嗽。", True),
        ("有咳嗽。", False),
        ("肺炎要紧吗？", True),
        ("我得过肺炎。", False),
        ("血常规我没有做过。", True),
        ("体温38度。", True),
        ("体温39度。", False),
    ],
)
def test_what_the_physician_named_may_be_denied_or_asked_about(said: str, fine: bool) -> None:
    turns = [QA("我发热，有皮疹。", "体温到38度了吗？有没有咳嗽？要排除肺炎，请查血常规。")]
    assert (revealed(GROUND, CASE, turns, said) is None) == fine


@pytest.mark.parametrize(
    ("text", "ended"), [("（结束）", True), ("(end)", True), ("结束。", True), ("何时结束治疗？", False)]
)
def test_the_end_is_a_line_of_its_own(text: str, ended: bool) -> None:
    assert bool(consultation.END.fullmatch(text)) == ended


# ---------------------------------------------------------------- held


def graph(maker: Any, count: int = 6) -> list[Any]:
    relations = (
        ("临床症状", "甲症"),
        ("临床症状", "乙症"),
        ("辅助检查", "查体"),
        ("药物治疗", "药"),
        ("注意事项", "休养"),
    )
    return [maker.fact(f"病{n:03}", relation, f"{mark}{n:03}") for n in range(count) for relation, mark in relations]


def talks(**more: Any) -> dict[str, Any]:
    return {"shapes": ["direct"], "share": {"direct": 0.0}, "consultation": {"cases": ["graph"], "turns": 3} | more}


def run(maker: Any, settings: SynthSettings, model: Any, doctor: Any = None, **more: Any) -> Path:
    folder: Path = maker.folder / more.get("name", "synth")
    passages = maker.write(f"c{folder.name}", {"passages": more.get("passages", [])})
    knowledge = maker.knowledge(more.get("facts", graph(maker)))
    with writing(folder, stage="synth", key="k", max_dropped=1.0) as out:
        make_pairs(settings, knowledge, passages, model, 1, out, doctor)
    return folder


@pytest.mark.slow
def test_a_thousand_cases_of_the_offline_teacher_are_multi_turn_pairs_with_parents(maker: Any) -> None:
    settings = SynthSettings.model_validate(talks())
    facts = graph(maker, 1000)
    folder = run(maker, settings, OfflineTeacher(maker.phrasings), facts=facts)
    pairs = list(read(folder, "pairs", Pair))
    assert len(pairs) == 1000
    assert {(p.shape, p.source) for p in pairs} == {("consultation", "consultation")}
    assert {len(p.messages) for p in pairs} == {6}
    of = {fact.id: fact for fact in facts}
    for pair in pairs:
        assert len({of[parent].entity for parent in pair.parents}) == 1
        assert {of[parent].relation for parent in pair.parents} == {r.relation for r in facts[:5]}
        assert of[pair.parents[0]].entity not in pair.messages[0].content  # the patient does not know the diagnosis
    prompt_ids = {p.provenance.prompt_id for p in pairs}
    assert prompt_ids == {"consultation_patient.zh+consultation_doctor.zh"}
    assert read_manifest(folder).dropped == {}


def test_passages_are_cases_too_and_those_without_a_conversation_say_why(maker: Any) -> None:
    more = talks(cases=["passages"]) | {"passage_shapes": ["passage"]}
    long = "跌倒是老年人常见的意外。家中地面要保持干燥并有足够的照明。走路要慢，鞋子要合脚并且防滑。"
    passages = [
        maker.passage("预防跌倒", long),
        maker.passage("Falls", "Wear shoes that fit. Keep the floor dry.", "en"),
    ]
    passages += [maker.passage("一句", "只有这一句话。")]
    folder = run(maker, SynthSettings.model_validate(more), OfflineTeacher(maker.phrasings), passages=passages)
    found = [p for p in read(folder, "pairs", Pair) if p.shape == "consultation"]
    assert passages[1].id in {p.parents[0] for p in found}
    assert {p.language for p in found} >= {"en"}
    lost = [d for d in read(folder, "dropped", Dropped) if passages[2].id in d.parents]
    assert [(d.rule, d.reason.startswith("turn 1: ")) for d in lost] == [("refused", True)]


# ---------------------------------------------------------------- two endpoints


class Sides:
    """Answers of a patient and a physician; ``faults`` puts a wrong line for one entity."""

    def __init__(self, **faults: str):
        self.faults = faults

    def __call__(self, prompt: str, attempt: int, request: Any) -> Any:
        block = read_block(prompt)
        text = {"patient": self.patient, "doctor": self.doctor, "repair": self.repair}[block["shape"]](block)
        said = [{"question": text[0], "answer": text[1]}]
        return web.json_response(completion(json.dumps(said, ensure_ascii=False)))

    def patient(self, block: dict[str, Any]) -> tuple[str, str]:
        case, turn = block["case"], block["turn"]
        lines = [f"我{case['age']}，{'、'.join(case['symptoms'])}，该做什么检查？", "那用什么药？", "（结束）"]
        number = case["symptoms"][0][-3:]
        line = lines[min(turn, 3) - 1]
        return self.faults.get(f"patient{number}@{turn}", self.faults.get(f"patient{number}", line)), ""

    def doctor(self, block: dict[str, Any]) -> tuple[str, str]:
        facts, turn = block["facts"], block["turn"]
        told = {t["relation"]: t["values"] for t in facts["turns"]}
        answers = [f"要考虑{facts['entity']}，建议做{facts['checks'][0]}。您还有别的不舒服吗？"]
        answers += [f"可以用{told['药物治疗'][0]}来治。"] if "药物治疗" in told else ["请听医生安排。"]
        answer = answers[min(turn, 2) - 1]
        return block["question"], self.faults.get(f"doctor{facts['entity'][1:]}", answer)

    def repair(self, block: dict[str, Any]) -> tuple[str, str]:
        return "x", f"要考虑{block['facts']['entity']}。"


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    both: list[Any] = [FakeTeacher(), FakeTeacher()]
    for server in both:
        server.answer = Sides()
    yield both[0], both[1]
    for server in both:
        server.close()


def paid(servers: tuple[Any, Any], two: bool = True, **more: Any) -> SynthSettings:
    doctor = {"doctor": {"url": servers[1].url, "model": "physician"}} if two else {}
    teacher = {"kind": "endpoint", "url": servers[0].url, "model": "patient", "concurrency": 4}
    base = {"teacher": teacher | more.pop("teacher", {})}
    return SynthSettings.model_validate(talks(**doctor) | base | more)


def models(settings: SynthSettings, path: Path) -> tuple[Any, Any]:
    teacher = Endpoint(settings.teacher)
    doctor = doctor_of(settings, path, teacher)
    return Cached(teacher, path), Cached(doctor, path) if doctor else None


def test_two_endpoints_talk_the_patient_sees_no_facts_and_the_physician_no_case(
    servers: tuple[Any, Any], maker: Any
) -> None:
    settings = paid(servers)
    folder = run(maker, settings, *models(settings, maker.folder / "calls"))
    pairs = list(read(folder, "pairs", Pair))
    assert len(pairs) == 6
    assert {len(p.messages) for p in pairs} == {4}  # the patient ended it
    assert {p.provenance.model for p in pairs} == {"patient+physician"}
    blocks = [[read_block(p) for p in server.tries] for server in servers]
    assert {b["shape"] for b in blocks[0]} == {"patient"}
    assert {b["shape"] for b in blocks[1]} == {"doctor"}
    assert not any("病0" in p for p in servers[0].tries if '"turn":1' in p)
    assert not any("case" in block for block in blocks[1])
    figures = read_manifest(folder).figures
    assert figures["doctor prompt_tokens"] == 11.0 * len(blocks[1])


def test_a_physician_without_facts_is_shown_the_dialogue_alone(servers: tuple[Any, Any], maker: Any) -> None:
    settings = paid(servers, two=False)
    settings = settings.model_copy(
        update={"consultation": settings.consultation.model_copy(update={"facts_for_doctor": False})}
    )
    seen: list[Any] = []

    def answer(prompt: str, attempt: int, request: Any) -> Any:
        block = read_block(prompt)
        seen.append(block)
        if block["shape"] == "patient":
            return Sides()(prompt, attempt, request)
        said = [{"question": "x", "answer": "还有别的不舒服吗？"}]
        return web.json_response(completion(json.dumps(said, ensure_ascii=False)))

    servers[0].answer = answer
    with pytest.raises(Exception, match="wrote no record"):
        run(maker, settings, *models(settings, maker.folder / "calls"))
    assert not any("facts" in block for block in seen if block["shape"] == "doctor")


def test_every_dropped_conversation_says_turn_rule_and_reason(servers: tuple[Any, Any], maker: Any) -> None:
    faults = {"patient000": "我咳嗽得厉害。", "doctor001": "要考虑病002，做查体001。", "patient002": "（结束）"}
    faults["patient003@2"] = "（结束）"  # after one turn
    for server in servers:
        server.answer = Sides(**faults)
    settings = paid(servers)
    folder = run(maker, settings, *models(settings, maker.folder / "calls"))
    lost = {d.rule: d for d in read(folder, "dropped", Dropped) if d.parents}
    assert {"revealed", "number", "turns"} == set(lost)
    assert lost["revealed"].reason.startswith("turn 1: '咳嗽'")
    assert sorted(d.reason[:24] for d in read(folder, "dropped", Dropped) if d.parents and d.rule == "turns") == [
        "the conversation has 0 t",
        "the conversation has 1 t",
    ]
    assert len(list(read(folder, "pairs", Pair))) == 2
    ended = Counter(d.rule for d in read(folder, "dropped", Dropped) if not d.parents)
    assert ended == {"revealed": 5, "number": 5, "turns": 10, "incomplete": 2}  # the facts of each


def test_a_refused_line_of_the_physician_is_repaired_once_in_the_conversation(
    servers: tuple[Any, Any], maker: Any
) -> None:
    for server in servers:
        server.answer = Sides(doctor001="要考虑病002，做查体001。")
    settings = paid(servers, repair="once")
    folder = run(maker, settings, *models(settings, maker.folder / "calls"))
    flagged = [p for p in read(folder, "pairs", Pair) if p.flags]
    assert [p.flags for p in flagged] == [("repaired",)]
    assert flagged[0].provenance.prompt_id.endswith("+repair.zh")
    assert any('"shape":"repair"' in prompt for prompt in servers[1].tries)  # the physician mends its own line


@pytest.mark.slow
def test_a_conversation_goes_on_in_the_middle_and_the_plan_counts_what_is_left(
    servers: tuple[Any, Any], maker: Any
) -> None:
    settings, path = paid(servers), maker.folder / "calls"
    folders = maker.knowledge(graph(maker)), maker.write("c", {"passages": []})
    right, count = Sides(), 0

    def dying(prompt: str, attempt: int, request: Any) -> Any:
        nonlocal count
        count += 1
        return web.Response(status=403, text="no") if count > 3 else right(prompt, attempt, request)

    servers[1].answer = dying
    before = [
        expect(settings, asked(settings, *folders, Caches(*models(settings, path)), 1, side)) for side in (False, True)
    ]
    assert [e.calls for e in before] == [6 * 3, 6 * 3]
    with pytest.raises(RefusedError):
        run(maker, settings, *models(settings, path))
    servers[1].answer = right
    said = says(settings, *folders, Caches(*models(settings, path)), 1)
    assert "6 of 18 calls are answered already" in said
    assert "the physician: 3 of 18 calls are answered already" in said

    made = list(read(run(maker, settings, *models(settings, path), name="again"), "pairs", Pair))
    whole = list(read(run(maker, settings, *models(settings, maker.folder / "new"), name="whole"), "pairs", Pair))
    assert [p.messages for p in made] == [p.messages for p in whole]
    patients = [p for p in servers[0].tries if servers[0].tries[p] > 2]
    assert patients == []  # asked once for each of the two caches


def test_both_models_stop_at_one_limit(servers: tuple[Any, Any], maker: Any) -> None:
    limit = {"max_tokens_total": 60_000, "max_tokens": 100}
    settings = paid(servers, teacher=limit)
    doctor = settings.consultation.doctor
    assert doctor is not None
    settings = settings.model_copy(
        update={
            "consultation": settings.consultation.model_copy(
                update={"doctor": doctor.model_copy(update={"max_tokens": 100})}
            )
        }
    )
    teacher, physician = models(settings, maker.folder / "calls")
    run(maker, settings, teacher, physician)
    spent = teacher._model.spent
    assert spent.calls == sum(servers[0].tries.values()) + sum(servers[1].tries.values())


def test_an_emergency_in_the_case_is_answered_with_urging_first(maker: Any) -> None:
    relations = (("临床症状", "胸痛"), ("临床症状", "出汗"), ("辅助检查", "心电图"), ("并发症", "休克"))
    facts = [maker.fact("心病", relation, value) for relation, value in relations]
    folder = run(maker, SynthSettings.model_validate(talks()), OfflineTeacher(maker.phrasings), facts=facts)
    (pair,) = read(folder, "pairs", Pair)
    assert redflags.urges_first(pair.messages[1].content)
    assert not redflags.urges(pair.messages[3].content)  # once is enough
