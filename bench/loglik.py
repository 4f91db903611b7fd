"""Exam questions answered by log-likelihood: ours against lm-evaluation-harness, on one checkpoint and the same ids.

    HUATUO_EXAM=folder-with-xlsx LM_EVAL_PYTHON=other-venv/bin/python python bench/run.py loglik

Without HUATUO_EXAM the questions are generated. lm-evaluation-harness has an environment of its own (it pins what ours
does not): ``python -m venv other-venv`` and ``pip install torch==2.13.0 transformers==5.23.0 'lm_eval[hf]==0.4.13'`` in
it. Without LM_EVAL_PYTHON only ours is measured. LOGLIK_QUESTIONS and LOGLIK_ROUNDS make a short run.

Each side is measured in a process of its own with one thread and a model loaded anew for every run: CPU-seconds
of planning (tokenising, building requests) and computing, without imports, loading and reading the questions. Both
get what they document for speed (lm-evaluation-harness batches of 16, and no bootstrap). The few-shot text and the chat
format's control token are the same text for both, so the token ids are the same.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

QUESTIONS = int(os.environ.get("LOGLIK_QUESTIONS", "1000"))
ROUNDS = int(os.environ.get("LOGLIK_ROUNDS", "3"))
SHOTS, BATCH, NEAR = 5, 16, 1e-4
FORMAT = "huatuo2"
LARGE_VOCABULARY = 125_696  # Baichuan2's

VARIANTS = {
    "letters0": ("letters", 0, 1.0, ""),
    "letters5": ("letters", SHOTS, 1.0, ""),
    "options0": ("options", 0, 0.5, ""),
    "options5": ("options", SHOTS, 0.15, ""),
    "vocabulary": ("letters", 0, 0.2, "-large"),
}
"""What is scored, examples before the question, share of the questions, and which checkpoint."""


# ---------------------------------------------------------------- questions and checkpoints


def read_exam(folder: Path, count: int) -> list[dict[str, Any]]:
    """Questions with five options and one right answer of the workbook in a folder, in its order."""
    from python_calamine import CalamineWorkbook

    (path,) = sorted(folder.glob("*.xlsx"))[:1]
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    found = []
    for stem, options, gold, *_ in rows[1:]:
        lines = [line.strip() for line in str(options).replace("\\n", "\n").splitlines() if line.strip()]
        texts = [line[1:].strip(" .．、") for line in lines]
        labels = "".join(line[:1] for line in lines)
        if labels == "ABCDE" and all(texts) and len(set(texts)) == 5 and str(gold) in set("ABCDE"):
            found.append({"stem": str(stem).strip(), "options": texts, "gold": str(gold)})
    return found[:count]


def made_exam(count: int) -> list[dict[str, Any]]:
    """Questions of made words, about as long as real ones: stems of 10 to 80 characters, options of 1 to 15."""
    dice = random.Random(5)
    words = [
        "".join(
            dice.choices("发热咳嗽头痛血压心肺肝肾脾胃治疗首选药物检查患者男女岁天周月突增减低高", k=dice.randint(1, 3))
        )
        for _ in range(600)
    ]

    def text(low: int, high: int) -> str:
        length, made = dice.randint(low, high), ""
        while len(made) < length:
            made += dice.choice(words)
        return made[:length]

    found: list[dict[str, Any]] = []
    while len(found) < count:
        options = [text(1, 15) for _ in range(5)]
        if len(set(options)) == 5:
            found.append({"stem": text(10, 80) + "，最可能的是", "options": options, "gold": dice.choice("ABCDE")})
    return found


def prepare(work: Path) -> list[dict[str, Any]]:
    """Write two checkpoints and the questions as both sides read them; give the questions."""
    from huatuo.eval.ask import messages_for
    from huatuo.models import formats
    from huatuo.records import Option, Question

    place = os.environ.get("HUATUO_EXAM")
    # The tokenizer of a short run is that of the whole: trained on few questions it would know their phrases by heart.
    count = max(QUESTIONS, 1000) + SHOTS
    raw = read_exam(Path(place), count) if place else made_exam(count)
    tokenizer, raw = _tokenizer(raw, work), raw[: QUESTIONS + SHOTS]
    for suffix, vocabulary in (("", len(tokenizer)), ("-large", LARGE_VOCABULARY)):
        _checkpoint(work / f"model{suffix}", tokenizer, vocabulary)
    lines = []
    for number, item in enumerate(raw):
        options = tuple(Option(label=a, text=b) for a, b in zip("ABCDE", item["options"], strict=True))
        question = Question(
            id=str(number), exam="bench", kind="single", stem=item["stem"], options=options, gold=(item["gold"],)
        )
        asked = messages_for(question)[0][0].content
        fmt = formats.get(FORMAT)
        text = fmt.user[0] + asked + fmt.user[1] + fmt.assistant
        lines.append(
            {
                "asked": asked,
                "prompt": text,
                "letters": list("ABCDE"),
                "options": item["options"],
                "gold": "ABCDE".index(item["gold"]),
            }
        )
    (work / "shots.json").write_text(json.dumps(lines[:SHOTS], ensure_ascii=False))
    for name, (_, _, share, _) in VARIANTS.items():
        part = lines[SHOTS : SHOTS + max(1, int(share * (len(lines) - SHOTS)))]
        (work / f"{name}.json").write_text(json.dumps(part, ensure_ascii=False))
    return lines[SHOTS:]


def _tokenizer(raw: list[dict[str, Any]], work: Path) -> Any:
    """A byte-level BPE of 8,192 tokens trained on the questions; punctuation is a word of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    words = [pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    backend.pre_tokenizer = pre_tokenizers.Sequence(words)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8192,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>"],
        show_progress=False,
    )
    backend.train_from_iterator(["\n".join([q["stem"], *q["options"]]) for q in raw], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|endoftext|>",
        pad_token="<|endoftext|>",
        clean_up_tokenization_spaces=False,
    )


def _checkpoint(folder: Path, tokenizer: Any, vocabulary: int) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from huatuo.models.save import save

    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=256, intermediate_size=688, num_hidden_layers=4, num_attention_heads=8,
        max_position_embeddings=2048, bos_token_id=None, eos_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    save(LlamaForCausalLM(config).eval(), tokenizer, FORMAT, folder, {})


# ---------------------------------------------------------------- one side, in a process of its own


def _peak_mb() -> float:
    """Peak memory of this process; getrusage would count the parent's before exec."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def ours(work: Path, name: str) -> dict[str, Any]:
    """CPU-seconds, peak memory and log-probabilities of ours."""
    from huatuo.llm.local import LocalModel
    from huatuo.records import Message

    what, shots, _, suffix = VARIANTS[name]
    docs, examples = (json.loads((work / f).read_text()) for f in (f"{name}.json", "shots.json"))
    model = LocalModel(work / f"model{suffix}", device="cpu")
    start = time.process_time()
    turns = [
        Message(role=role, content=text)
        for e in examples[:shots]
        for role, text in (("user", e["asked"]), ("assistant", e[what][e["gold"]]))
    ]
    prompts = [
        model.branches([*turns, Message(role="user", content=doc["asked"])], doc[what], end=False) for doc in docs
    ]
    planned = time.process_time() - start
    found = dict(model.logprobs_of(prompts))
    spent = time.process_time() - start
    values = [found[i].logprobs for i in range(len(docs))]
    straddled = sum(sum(prompt.straddled) for prompt in prompts)
    return {"cpu_s": spent, "planning_cpu_s": planned, "peak_mb": _peak_mb(), "values": values, "straddled": straddled}


def theirs(work: Path, name: str) -> dict[str, Any]:
    """CPU-seconds, peak memory and log-probabilities of lm-evaluation-harness."""
    import lm_eval.tasks
    import torch
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    what, shots, _, suffix = VARIANTS[name]
    torch.set_num_threads(1)
    files = {"test": str(work / f"{name}.json"), "shots": str(work / "shots.json")}
    task = {
        "task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": files}, "test_split": "test",
        "fewshot_split": "shots", "fewshot_config": {"sampler": "first_n"}, "num_fewshot": shots,
        "output_type": "multiple_choice", "doc_to_text": "{{prompt}}", "doc_to_choice": f"{{{{{what}}}}}",
        "doc_to_target": "gold", "target_delimiter": "", "fewshot_delimiter": "<|endoftext|>\n",
        "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    tasks = lm_eval.tasks.get_task_dict([task], lm_eval.tasks.TaskManager(include_defaults=False))
    model = HFLM(pretrained=str(work / f"model{suffix}"), device="cpu", dtype="float32", batch_size=BATCH)
    start = time.process_time()
    found = evaluate(lm=model, task_dict=tasks, bootstrap_iters=0, log_samples=True)
    spent = time.process_time() - start
    samples = sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    values = [[float(reply[0]) for reply in sample["filtered_resps"]] for sample in samples]
    return {"cpu_s": spent, "peak_mb": _peak_mb(), "values": values}


class Side:
    """One side of one variant: a process that measures each time it is told to, with a model loaded anew."""

    def __init__(self, python: str, side: str, work: Path, name: str):
        quiet = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HUATUO_QUIET": "1"}
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(work / "hf")}
        self.name, self.log, self.out = f"{side} {name}", work / f"{side}.{name}.log", work / f"{side}.{name}.json"
        self._process = subprocess.Popen(
            [python, __file__, side, str(work), name, str(self.out)],
            env={**os.environ, **quiet, **offline},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self.log.open("w"),
            text=True,
        )

    def measure(self) -> dict[str, Any]:
        """What one more run measured."""
        assert self._process.stdin is not None
        self.out.unlink(missing_ok=True)
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        while not self.out.exists():
            if self._process.poll() is not None:
                raise SystemExit(f"{self.name} failed:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)
        found: dict[str, Any] = json.loads(self.out.read_text())
        return found

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def serve(side: str, place: str, name: str, target: str) -> None:
    """Measure once for each line of stdin."""
    for _ in sys.stdin:
        measured = {"ours": ours, "theirs": theirs}[side](Path(place), name)
        beside = Path(target + ".part")
        beside.write_text(json.dumps(measured))
        beside.rename(target)


# ---------------------------------------------------------------- the benchmark


def compared(first: list[list[float]], second: list[list[float]]) -> tuple[int, int, float, list[int]]:
    """Equal predictions, those excused (the second's own two best differ by less than `NEAR`), the largest difference
    of a log-probability, and the questions that are neither."""
    equal, near, largest, bad = 0, 0, 0.0, []
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        largest = max(largest, *(abs(x - y) for x, y in zip(a, b, strict=True)))
        best = sorted(b, reverse=True)
        if a.index(max(a)) == b.index(max(b)):
            equal += 1
        elif best[0] - best[1] < NEAR:
            near += 1
        else:
            bad.append(number)
    return equal, near, largest, bad


def run() -> Any:
    """What was measured: questions per CPU-second, ratios, equality, memory."""
    from run import Outcome

    harness = os.environ.get("LM_EVAL_PYTHON", "")
    figures: dict[str, float] = {}
    ratios: dict[str, float] = {}
    table = [
        f"{'variant':12} {'n':>5} {'ours q/CPU-s':>13} {'lm_eval':>8} {'ratio':>6} {'equal':>13} {'max diff':>9} "
        f"{'MB':>6} {'lm_eval':>8}"
    ]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        asked = prepare(work)
        for name in os.environ.get("LOGLIK_VARIANTS", " ".join(VARIANTS)).split():
            pythons = {"ours": sys.executable, **({"theirs": harness} if harness else {})}
            sides = {side: Side(python, side, work, name) for side, python in pythons.items()}
            runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
            for turn in range(ROUNDS):
                for side in list(sides) if turn % 2 == 0 else list(sides)[::-1]:
                    runs[side].append(sides[side].measure())
            for one in sides.values():
                one.end()
            _row(name, runs, figures, ratios, table)
            print(table[-1], file=sys.stderr, flush=True)
    if not harness:
        table.append("lm-evaluation-harness is not measured: set LM_EVAL_PYTHON (how to install it: bench/loglik.py)")
    return Outcome(figures, ratios, n=len(asked), table=table)


def _row(
    name: str,
    runs: dict[str, list[dict[str, Any]]],
    figures: dict[str, float],
    ratios: dict[str, float],
    table: list[str],
) -> None:
    n = len(runs["ours"][0]["values"])
    cpu = {side: statistics.median(one["cpu_s"] for one in found) for side, found in runs.items()}
    peak = {side: found[0]["peak_mb"] for side, found in runs.items()}  # later runs of the process see the first one's
    planning = statistics.median(one["planning_cpu_s"] for one in runs["ours"])
    for side in runs:
        figures[f"{name}_{side}_q_per_cpu_s"] = round(n / cpu[side], 1)
        figures[f"{name}_{side}_peak_mb"] = round(peak[side])
    figures[f"{name}_ours_planning_share"] = round(planning / cpu["ours"], 3)
    line = f"{name:12} {n:5} {n / cpu['ours']:13.1f}"
    if "theirs" in runs:
        equal, near, largest, bad = compared(runs["ours"][0]["values"], runs["theirs"][0]["values"])
        ratios[name] = round(cpu["theirs"] / cpu["ours"], 2)
        figures[f"{name}_max_difference"] = largest
        figures[f"{name}_equal"] = equal
        figures[f"{name}_near_ties"] = near
        line += f" {n / cpu['theirs']:8.1f} {ratios[name]:6.2f} {equal:5}+{near:<2}/{n:<5}{largest:8.1e}"
        line += f" {peak['ours']:6.0f} {peak['theirs']:8.0f}" + (f"  DIFFERENT: {bad}" if bad else "")
    else:
        line += f"{'':41} {peak['ours']:6.0f}"
    table.append(line + f"  planning {planning / cpu['ours']:.0%}")


if __name__ == "__main__":
    serve(*sys.argv[1:])
