"""The knowledge probe: questions about facts of the graph, in words the model was trained on and in words it was not.

Groups. ``held-out phrasings`` and ``held-out, no shared word`` ask taught facts in new words: transfer.
``trained phrasings`` asks them in taught words: memory. ``withheld entities`` asks facts that were never taught: the
control, where a right answer is chance or a leak. What was meant to be taught and was not (`huatuo.eval.taught`) is
moved to ``not taught after all`` when the answers are scored.
"""

from __future__ import annotations

import itertools
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from huatuo.errors import InputError, RecipeError
from huatuo.eval.exam_made import graph_of
from huatuo.eval.probe_forms import FORM_GROUPS, form_questions
from huatuo.recipe import ProbeSettings
from huatuo.records import CORROBORATES, SAME_IN_ANOTHER, Fact, Question
from huatuo.records import WITHHELD as WITHHELD_FLAG
from huatuo.store import Writer, content_id
from huatuo.text.zh import is_cjk, language, normalise_for_comparison

EXAM = "knowledge probe"
"""Name of the probe in `Question.exam`."""

HELD_OUT, NO_SHARED_WORD = "held-out phrasings", "held-out, no shared word"
TRAINED, WITHHELD = "trained phrasings", "withheld entities"
NOT_TAUGHT = "not taught after all"
GROUPS = (HELD_OUT, NO_SHARED_WORD, TRAINED, WITHHELD, NOT_TAUGHT, *FORM_GROUPS)
"""The groups in the order of the tables."""


_POLITE = re.compile(r"请问|一下|的")
_FUNCTION_WORDS = re.compile(
    r"什么样|什么|哪几样|哪几项|哪几种|哪几条|哪几个|哪些|哪几|哪种|哪个|哪儿|哪里|哪|多少|怎么样|怎么|怎样|如何|是否|"
    r"请问|请|帮我|麻烦|告诉我|一下|想了解|我想|列出来|列出|列一列|列一下|列举|说说|讲讲|说给我听听|"
    r"以及|或者|还是|可能|可以|应该|通常|一般|主要|常见|常常|往往|会有|都有|还有|有些|有|会|能|要|该|需要|需|"
    r"的|地|得|了|着|过|吗|呢|吧|啊|嘛|么|是|在|和|与|跟|及|或|对|把|被|给|让|由|从|向|到|为|以|于|也|都|就|还|又|再|很|我|你|他|她|它|这|那|个"
)
"""Words that say how something is asked, not what: sharing one of them is no shared word."""


@dataclass
class Phrasings:
    """Wordings of the questions about one relation."""

    trained: list[str] = field(default_factory=list)
    """Wordings that pairs are made with."""
    held_out: list[str] = field(default_factory=list)
    """Wordings that nothing is trained on."""
    answer: str = ""
    """The first answer form that pairs are made with: the reference for BLEU and ROUGE; empty where a model words its
    answers itself."""


class Taught(NamedTuple):
    """The wordings that pairs are made with."""

    path: Path
    """TOML of wordings per relation."""
    first: int
    """How many of each relation are used, from the first; 0 where a model words the questions itself."""


def read_phrasings(settings: ProbeSettings, trained: Taught) -> dict[str, Phrasings]:
    """The wordings of every relation of the probe.

    Raises InputError where a file cannot be read, a relation has no held-out wording, a wording does not name {entity}
    exactly once, or a held-out wording is a trained one; RecipeError where a probe has no held-out file.
    """
    if settings.held_out is None:
        raise RecipeError(
            "[questions.probe] names relations but no held_out; expected a TOML file of wordings that nothing is "
            "trained on; next: set questions.probe.held_out, or leave relations empty"
        )
    taught, held = _toml(trained.path), _toml(settings.held_out)
    found = {}
    for relation in settings.relations:
        table = taught.get(relation, taught.get("*"))
        questions = table.get("questions", [])[: trained.first] if isinstance(table, dict) else []
        answers = table.get("answers", [])[: min(trained.first, 1)] if isinstance(table, dict) else []
        one = Phrasings(
            [str(q).replace("{relation}", relation) for q in questions],
            _list(held.get(relation)),
            "".join(str(a).replace("{relation}", relation) for a in answers),
        )
        _check(relation, one, trained.path, settings.held_out)
        found[relation] = one
    return found


def _toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected wordings; next: check the path"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: no valid TOML ({error}); expected a list of wordings per relation") from None


def _list(value: object) -> list[str]:
    return list(dict.fromkeys(map(str, value))) if isinstance(value, list) else []


def _check(relation: str, phrasings: Phrasings, trained: Path, held_out: Path) -> None:
    if not phrasings.held_out:
        raise InputError(
            f"{held_out}: no wordings for relation {relation!r}, which questions.probe.relations names; expected a "
            f"list under the key {relation!r}; next: add it, or take the relation out of the recipe"
        )
    for path, wording in [(trained, w) for w in phrasings.trained] + [(held_out, w) for w in phrasings.held_out]:
        if wording.count("{entity}") != 1:
            raise InputError(
                f"{path}: [{relation}] {wording!r} must name {{entity}} exactly once; next: mend the wording"
            )
    taught = {_key(wording): wording for wording in phrasings.trained}
    for wording in phrasings.held_out:
        if _key(wording) in taught:
            raise InputError(
                f"{held_out}: [{relation}] {wording!r} is held out, but {trained.name} trains on "
                f"{taught[_key(wording)]!r}, the same without punctuation and polite words; next: word one of them anew"
            )


def _key(wording: str) -> str:
    return _POLITE.sub("", normalise_for_comparison(wording.replace("{entity}", "某实体")))


def _runs(wording: str) -> list[str]:
    """The wording cut at {entity}, punctuation and function words."""
    return [run for part in re.split(r"\{entity\}|[\W_]+", wording) for run in _FUNCTION_WORDS.split(part) if run]


def question_words(wording: str) -> frozenset[str]:
    """What a wording asks with: pairs of neighbouring Han characters, a Han character that stands alone (``药`` in
    ``治{entity}用哪些药``), and Latin words; without {entity}, punctuation and function words."""
    words: set[str] = set()
    for run in _runs(wording):
        words.update(a + b for a, b in itertools.pairwise(run) if is_cjk(a) and is_cjk(b))
        words.update(word.lower() for word in re.findall(r"[A-Za-z0-9]+", run))
        if len(run) == 1:
            words.add(run)
    return frozenset(words)


def shares_a_word(wording: str, trained: Iterable[str]) -> bool:
    """Whether a question word of the wording stands in any of the trained wordings."""
    known = {run.lower() for other in trained for run in _runs(other)}
    return any(word in run for word in question_words(wording) for run in known)


# ---------------------------------------------------------------- questions


@dataclass(frozen=True)
class _Set:
    """All values of one relation of one entity: what a question asks for."""

    entity: str
    relation: str
    facts: tuple[Fact, ...]
    withheld: bool


def make_probe(settings: ProbeSettings, facts: Iterable[Fact], phrasings: Taught, seed: int, out: Writer) -> None:
    """Write the probe's questions; every fact is used or left with the reason."""
    wordings = read_phrasings(settings, phrasings) if settings.relations else {}
    kept: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        out.expect([fact.id])
        other = [flag for flag in fact.flags if flag != WITHHELD_FLAG]
        if fact.same_as:
            out.leave(fact.id, CORROBORATES, SAME_IN_ANOTHER, fact.same_as)
        elif fact.relation not in wordings:
            out.leave(fact.id, "relation not probed", f"{fact.relation} is not in questions.probe.relations")
        elif other:
            out.leave(
                fact.id, f"flagged: {other[0]}", f"a fact that a check objects to is not asked ({', '.join(other)})"
            )
        else:
            kept[fact.entity, fact.relation].append(fact)
    graph = graph_of(fact for facts in kept.values() for fact in facts)
    for one in _drawn(settings, _sets(kept), seed, out):
        for question in form_questions(settings.forms, one.facts, graph, EXAM, seed):
            out.write("questions", question)
        for group, wording in _asked(settings, wordings[one.relation], one, seed):
            out.write(
                "questions",
                _question(one, group, wording, wordings[one.relation].answer),
                uses=[fact.id for fact in one.facts],
            )


def _sets(kept: Mapping[tuple[str, str], list[Fact]]) -> list[_Set]:
    """One set per entity name and relation. A set with one withheld fact is withheld as a whole: asked as taught, its
    answer could not be known in full."""
    sets = []
    for (entity, relation), facts in sorted(kept.items()):
        sets.append(_Set(entity, relation, tuple(facts), any(WITHHELD_FLAG in fact.flags for fact in facts)))
    return sets


def _drawn(settings: ProbeSettings, sets: Sequence[_Set], seed: int, out: Writer) -> list[_Set]:
    """At most ``max_entities`` sets of each relation, of the taught and of the withheld ones apart."""
    if not settings.max_entities:
        return list(sets)
    chosen = []
    counts: dict[tuple[str, bool], int] = defaultdict(int)
    for one in sorted(sets, key=lambda s: content_id("probe entity", str(seed), s.relation, s.entity)):
        counts[one.relation, one.withheld] += 1
        if counts[one.relation, one.withheld] <= settings.max_entities:
            chosen.append(one)
            continue
        for fact in one.facts:
            out.leave(fact.id, "not drawn", f"questions.probe.max_entities = {settings.max_entities} per relation")
    return sorted(chosen, key=lambda s: (s.entity, s.relation))


def _asked(settings: ProbeSettings, phrasings: Phrasings, one: _Set, seed: int) -> list[tuple[str, str]]:
    """(group, wording) of every question about one set."""
    if one.withheld:
        return [(WITHHELD, wording) for wording in phrasings.held_out]
    ranked = sorted(phrasings.trained, key=lambda w: content_id("trained phrasing", str(seed), one.relation, w))
    asked = [(TRAINED, wording) for wording in ranked[: settings.trained_per_relation]]
    for wording in phrasings.held_out:
        near = not phrasings.trained or shares_a_word(wording, phrasings.trained)
        asked.append((HELD_OUT if near else NO_SHARED_WORD, wording))
    return asked


def _question(one: _Set, group: str, wording: str, answer: str) -> Question:
    stem = wording.replace("{entity}", one.entity)
    gold = tuple(dict.fromkeys(fact.value for fact in one.facts))
    return Question(
        id=content_id(EXAM, one.relation, stem),
        exam=EXAM,
        kind="knowledge",
        group=group,
        subject=one.relation,
        entity=one.entity,
        wording=wording,
        language=language(stem),
        stem=stem,
        gold=gold,
        reference=answer.replace("{entity}", one.entity).replace("{values}", "、".join(gold)),
        parents=tuple(fact.id for fact in one.facts),
    )
