"""Every pair becomes tokens once, or is dropped with a reason; only answers and their ends are learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from train_makers import Stages, made_pairs, make_pair

from huatuo import store
from huatuo.cli_lines import describe
from huatuo.errors import StageError, TrainingError
from huatuo.models import formats, tokenizers
from huatuo.recipe import TrainSettings
from huatuo.records import Dropped, Message, Pair
from huatuo.train import tokenise
from huatuo.train.samples import Samples
from model_makers import llama_like

Make = Callable[..., TrainSettings]


def tokens_of(stages: Stages, pairs: list[Pair], settings: TrainSettings) -> tuple[Samples, store.Manifest]:
    stages.prepare(pairs, settings)
    return Samples(stages.root / "tokenise"), store.read_manifest(stages.root / "tokenise")


def texts(stages: Stages, data: Samples, sample: int) -> tuple[str, str]:
    """What a sample says, and what of it is learned."""
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids, learned = data.ids(sample), data.learned(sample)
    return tokenizer.decode(ids.tolist()), tokenizer.decode(ids[learned == 1].tolist())


def test_only_answers_and_their_end_tokens_are_learned(stages: Stages, settings: Make) -> None:
    data, _ = tokens_of(stages, [make_pair(["甲是什么", "乙", "丙呢", "丁戊"])], settings())
    whole, learned = texts(stages, data, 0)
    end = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer").eos_token
    assert learned.replace(" ", "") == f"乙{end}丁戊{end}"
    assert "甲是什么" in whole
    assert data.learned_counts.tolist() == [5]


def test_every_pair_is_tokenised_once_and_mapped_back(stages: Stages, settings: Make) -> None:
    pairs = made_pairs(1200)
    data, manifest = tokens_of(stages, pairs, settings())
    assert [i.decode() for i in data.pair_ids] == [pair.id for pair in pairs]
    assert manifest.kept == 1200
    assert [data.source_names[k] for k in data.sources] == [pair.source for pair in pairs]
    assert len(data.validation) == 120
    assert all(pairs[k].split == "validation" for k in data.validation)
    for k in (0, 7, 1199):
        assert len(data.ids(k)) == data.lengths[k]
        assert pairs[k].messages[0].content in texts(stages, data, k)[0]


def test_names_kept_from_training_can_be_spelled(stages: Stages, settings: Make) -> None:
    tokens_of(stages, [make_pair(["甲", "乙"])], settings())
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    ids = tokenizer("瘊疣龘")["input_ids"]  # name, alias and value of the knowledge, in no pair
    assert tokenizer.unk_token_id not in ids
    assert len(set(ids)) == 3


def test_overlong_pairs_are_dropped_with_the_figures(stages: Stages, settings: Make) -> None:
    pairs = [*made_pairs(10), make_pair(["长" * 30, "答" * 50])]
    data, manifest = tokens_of(stages, pairs, settings(window=60))
    assert manifest.dropped == {"overlong": 1}
    characters = sum(len(message.content) for pair in pairs for message in pair.messages)
    each = (
        data.lengths.sum() - sum(len(m.content) for p in pairs[:10] for m in p.messages)
    ) / 10  # what the format adds
    assert manifest.figures["tokens_per_char"] == pytest.approx((characters + 11 * each) / characters)
    row = next(iter(store.read(stages.root / "tokenise", "dropped", Dropped)))
    assert "train.window = 60" in row.reason
    assert manifest.figures["truncation_share"] == pytest.approx(1 / 11)
    assert manifest.figures["truncation_share_2_2_tokens_per_char"] == pytest.approx(1 / 11)
    assert manifest.figures["overlong_pairs"] == 1


@pytest.mark.slow
def test_a_pair_as_long_as_the_window_is_not_overlong(stages: Stages, settings: Make) -> None:
    pairs = [make_pair(["长" * 30, "答" * 20])]
    length = int(tokens_of(stages, pairs, settings(window=100))[0].lengths[0])
    for window, share in ((length, 0.0), (length - 1, 1.0)):
        more = [*pairs, make_pair(["短", "答"])]
        _, manifest = tokens_of(Stages(stages.root / str(window)), more, settings(window=window))
        assert (manifest.figures["truncation_share"], manifest.figures["overlong_pairs"]) == (share / 2, share)


def test_overlong_pairs_are_split_by_turn(stages: Stages, settings: Make) -> None:
    turns = [text for k in range(6) for text in (f"问{k}" + "啊" * 10, f"答{k}" + "哦" * 10)]
    data, manifest = tokens_of(stages, [make_pair(turns)], settings(window=80, overlong="split"))
    assert len(data.lengths) > 1
    assert data.lengths.max() <= 80
    learned = "".join(texts(stages, data, k)[1] for k in range(len(data.lengths)))
    assert all(f"答{k}" in learned.replace(" ", "") for k in range(6))
    assert manifest.figures["turns_lost_in_split"] == 0
    assert manifest.figures["split_pairs"] == 1


def test_a_turn_that_is_too_long_alone_is_counted_as_lost(stages: Stages, settings: Make) -> None:
    turns = ["问", "答", "问" * 200, "答", "问", "答"]
    _, manifest = tokens_of(stages, [make_pair(turns)], settings(window=64, overlong="split"))
    assert manifest.figures["turns_lost_in_split"] == 1


def test_keep_end_cuts_the_question_and_counts_it(stages: Stages, settings: Make) -> None:
    pairs = [make_pair(["头" + "问" * 100, "答完"]), make_pair(["短", "答"])]
    data, manifest = tokens_of(stages, pairs, settings(window=40, overlong="keep-end"))
    assert data.lengths.tolist()[0] == 40
    whole, learned = texts(stages, data, 0)
    assert "头" not in whole
    assert learned.startswith("答")
    assert manifest.figures["cut_pairs"] == 1
    assert manifest.dropped == {}


@pytest.mark.parametrize(
    ("window", "first", "ids", "turns"),
    [
        (9, 0, [2, 3, 4, 5, 6, 7, 8, 9, 10], [(1, 3), (6, 9)]),  # the first answer whole, the question's beginning gone
        (8, 2, [0, 1, 5, 6, 7, 8, 9, 10], [(5, 8)]),  # the control tokens stay; the first answer is gone
        (5, 0, [6, 7, 8, 9, 10], [(2, 5)]),
        (4, 2, [0, 1, 9, 10], [(2, 4)]),  # the last answer's own beginning is cut
    ],
)
def test_keep_end_keeps_control_tokens_and_the_last_tokens(
    window: int, first: int, ids: list[int], turns: list[tuple[int, int]]
) -> None:
    encoded = formats.Encoded(list(range(11)), [i in (3, 4, 8, 9, 10) for i in range(11)], [(3, 5), (8, 11)])
    kept = tokenise._keep_end(encoded, window, first)
    assert (kept.ids, kept.turns) == (ids, turns)
    assert kept.learned == [any(start <= i < stop for start, stop in turns) for i in range(window)]


def test_what_every_conversation_begins_with_stays_when_its_beginning_is_cut(stages: Stages, settings: Make) -> None:
    base = llama_like(stages.root / "base")
    chosen = settings(base=str(stages.root / "base"), window=40, overlong="keep-end")
    data, _ = tokens_of(stages, [make_pair(["问" * 100, "答完"]), make_pair(["短", "答"])], chosen)
    assert data.lengths[0] == 40
    assert data.ids(0)[0] == data.ids(1)[0] == base.bos_token_id


def test_every_part_of_a_split_conversation_has_the_system_message(stages: Stages, settings: Make) -> None:
    turns = [text for k in range(5) for text in (f"问{k}" + "啊" * 10, f"答{k}" + "哦" * 10)]
    pair = make_pair(turns)
    spoken = (Message(role="system", content="甲乙丙"), *pair.messages)
    split = settings(window=80, overlong="split")
    data, _ = tokens_of(stages, [pair.model_copy(update={"messages": spoken})], split)
    assert len(data.lengths) == 3  # two, two and one
    assert all("甲乙丙" in texts(stages, data, k)[0].replace(" ", "") for k in range(len(data.lengths)))


@pytest.mark.slow
def test_a_base_whose_pad_is_its_end_learns_every_end(stages: Stages, settings: Make) -> None:
    pairs = made_pairs(1_000)
    data, _ = tokens_of(stages, pairs, settings())
    tokenizer = tokenizers.load_tokenizer(stages.root / "tokenise" / "tokenizer")
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(stages.root / "same")
    same = Stages(stages.root / "other")
    again, _ = tokens_of(same, pairs, settings(base=str(stages.root / "same")))
    assert again.learned_counts.tolist() == data.learned_counts.tolist()
    end = tokenizer.eos_token_id
    assert all(again.ids(k)[-1] == end and again.learned(k)[-1] == 1 for k in range(1_000))


def test_a_conversation_that_does_not_alternate_is_dropped(stages: Stages, settings: Make) -> None:
    wrong = make_pair(["甲", "乙", "丙"])
    _, manifest = tokens_of(stages, [wrong, *made_pairs(5)], settings())
    assert manifest.dropped == {"format": 1}


def test_an_end_token_that_is_not_learned_stops_everything(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = formats.encode_many

    def without_end(*args: object) -> list[formats.Encoded]:
        found = [one for one in whole(*args) if isinstance(one, formats.Encoded)]  # type: ignore[arg-type]
        found[1].learned[-1] = False
        return found

    monkeypatch.setattr(formats, "encode_many", without_end)
    with pytest.raises(TrainingError, match=r"pair [0-9a-f]{32}.*end token"):
        stages.prepare(made_pairs(3), settings())


def test_nothing_left_is_an_error_that_says_why(stages: Stages, settings: Make) -> None:
    with pytest.raises(StageError, match=r"overlong 20.*train\.window"):
        stages.prepare(made_pairs(20), settings(window=8))


@pytest.mark.slow
def test_a_killed_stage_goes_on_with_the_shard_it_was_at(
    stages: Stages, settings: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [*made_pairs(1_000), make_pair(["长" * 90, "答"]), *made_pairs(1_200)[1_000:]]
    monkeypatch.setattr(store, "SHARD_ROWS", 300)
    stages.prepare(pairs, settings())
    read = stages.root / "unify", stages.root / "ingest"
    batches, encode = list(store.read_batches(stages.root / "unify", "pairs")), formats.encode_many
    assert len(batches) == 5
    asked = []

    def killed(fmt: formats.Format, talks: list[object], tokenizer: object) -> object:
        asked.append(len(talks))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return encode(fmt, talks, tokenizer)  # type: ignore[arg-type]

    def again(folder: str) -> store.Manifest:
        with store.writing(stages.root / folder, stage="tokenise", key="k", resumable=True) as out:
            tokenise.tokenise(settings(), *read, out)
        return store.read_manifest(stages.root / folder)

    monkeypatch.setattr(formats, "encode_many", killed)
    with pytest.raises(KeyboardInterrupt):
        again("other")
    resumed = again("other")
    assert asked == [300, 300, 300, 300, 300, 1]  # the fourth twice
    whole = store.read_manifest(stages.root / "tokenise")
    assert resumed.digest == whole.digest
    assert resumed.figures == whole.figures
    assert (resumed.kept, resumed.dropped) == (1_200, {"overlong": 1})
    assert not list((stages.root / "other").glob("ended*"))
    assert whole.figures["most_turns"] == 1  # in every shard, and in all of them


def test_too_many_dropped_pairs_stop_the_stage(stages: Stages, settings: Make) -> None:
    pairs = [*made_pairs(20), *(make_pair([f"长{i}" * 50, "答"]) for i in range(30))]
    stages.prepare(pairs, settings())
    read = stages.root / "unify", stages.root / "ingest"
    with (
        pytest.raises(StageError, match=r"dropped 30 of 50 records of what it read"),
        store.writing(stages.root / "other", stage="tokenise", key="k", max_dropped=0.5) as out,
    ):
        tokenise.tokenise(settings(), *read, out)


def test_the_audit_is_said_when_the_stage_is_done(stages: Stages, settings: Make) -> None:
    # 50, 36 and 32 characters, and 20 short ones: longer than 64 tokens from 1.28, 1.78 and 2.0 tokens a character on
    pairs = [make_pair([f"问{i:02}" + "长" * n, "答" * 10]) for n, m in ((37, 10), (23, 6), (19, 4)) for i in range(m)]
    pairs += made_pairs(20)
    stages.prepare(pairs, settings())
    manifest = store.read_manifest(stages.root / "tokenise")
    recipe = {"window": 64, "overlong": "drop"}
    said = describe(manifest.model_copy(update={"recipe": recipe}))
    figures = manifest.figures
    assert figures["truncation_share"] == 0
    shares = [figures[f"truncation_share_{ratio}_tokens_per_char"] for ratio in ("1_5", "1_8", "2_2")]
    assert shares == [0.25, 0.4, 0.5]
    assert "0.0% of the pairs are longer than the window of 64 tokens (rule: drop)" in said
    assert "25.0% at 1.5, 40.0% at 1.8, 50.0% at 2.2" in said


def test_a_damaged_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(store.DataError, match="no token file"):
        Samples(tmp_path)
    (tmp_path / "tokens-00000.arrow").write_bytes(b"ARROW1 and no more")
    with pytest.raises(store.DataError, match=r"tokens-00000\.arrow: not readable"):
        Samples(tmp_path)
