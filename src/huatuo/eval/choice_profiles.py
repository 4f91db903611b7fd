"""The extractors that other projects released, by name, so that a score can be shown under each of them.

Each is written anew to give the outcomes that were measured of the released code, faults included (letters inside
words, a default answer): they show how far a score moves with the extractor alone, and none makes a score of ours.
What each does is described where it stands, with its source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import huatuo
from huatuo.records import Option, Question

LETTERS = re.compile(r"[A-E]")
VERSION = "v1"
"""Version of these profiles in signatures; raised when an outcome changes."""


@dataclass(frozen=True)
class Profile:
    """One released extractor and how its project scores what it reads."""

    name: str
    """As signatures and tables call it."""
    source: str
    """Where the released code stands."""
    read: Callable[[str, Sequence[Option], bool], str]
    """Text, options and whether several answers are asked for → the labels as one string; empty where it reads none."""
    nothing_counts_as: str = ""
    """The label that the project scores where nothing is read: a share of such answers is right by luck."""
    ordered: bool = False
    """Whether several labels must come in the gold's order."""

    @property
    def signature(self) -> str:
        """Everything a number under this profile depends on besides the question and the response."""
        nothing = self.nothing_counts_as or "wrong"
        return f"metric:accuracy|extractor:{self.name}.{VERSION}|unread:{nothing}|huatuo:{huatuo.__version__}"

    def is_right(self, said: str, question: Question) -> bool:
        """Whether the project would call what was read the right answer."""
        said = said or self.nothing_counts_as
        gold = "".join(question.gold)
        return bool(said) and (said == gold if self.ordered else set(said) == set(gold))


def _one_or_all(letters: Sequence[str], several: bool) -> str:
    return "".join(letters if several else letters[:1])


def _rising(letters: Sequence[str]) -> list[str]:
    """The letters that come after all letters kept before them: of D, C, A only D."""
    kept: list[str] = []
    for letter in letters:
        if not kept or letter > kept[-1]:
            kept.append(letter)
    return kept


HUATUO_SAID = re.compile(r"答案(?:是|为)(.*?)(?:。|$)")


def _match_choice2(text: str, options: Sequence[Option], several: bool) -> str:
    """Letters of the first "答案是 … 。" in rising order, and nothing else."""
    said = HUATUO_SAID.search(text)
    return _one_or_all(_rising(LETTERS.findall(said[1])) if said else [], several)


def _match_choice3(text: str, options: Sequence[Option], several: bool) -> str:
    """As `_match_choice2`; else the option texts in the answer, if their labels rise; else the first run of A to E that
    touches no other Latin letter."""
    if found := _match_choice2(text, options, several):
        return found
    places = sorted((text.find(option.text), option.label) for option in options if option.text and option.text in text)
    labels = [label for _, label in places]
    if labels and labels == sorted(labels):
        return _one_or_all(labels, several)
    run = re.search(r"(?<![A-Za-z])[A-E]+(?![A-Za-z])", text)
    return _one_or_all(_rising(run[0]) if run else [], several)


def _cmb(text: str, options: Sequence[Option], several: bool) -> str:
    """Letters behind the first "答案是 … 。"; without these words every letter from A to G in the whole text, words or
    not. Several letters stay as they come, twice if they come twice."""
    said = re.search(r"(?:答案|正确选项)(?:是|：|为|应该是|应该为)(.*?)(?:。|\.|$)", text)
    return _one_or_all(re.findall(r"[A-G]", said[1] if said else text), several)


OPENCOMPASS: tuple[str, ...] = (
    r"答案(?:是|为|应该是|应为|选)?\s*[：:]?\s*([A-E])",
    r"(?i:answer\s*(?:is|:)\s*)\(?([A-E])",
    r"(?:应选|故选|本题选|选择|因此选)\s*([A-E])",
    r"[是为]\s?([A-E])[。.]?$",
    r"([A-E])",
)
"""From the most exact wording to any letter at all; the first that is found decides, even within a word."""


def _first_option(text: str, options: Sequence[Option], several: bool) -> str:
    found = next((match for pattern in OPENCOMPASS if (match := re.search(pattern, text))), None)
    return found[1] if found else ""


def _capitals(text: str, options: Sequence[Option], several: bool) -> str:
    """Every capital of the text, sorted: DNA is A, D and N. Full-width capitals count as what they are."""
    return _one_or_all(sorted({character for character in text if character.isupper()}), several)


def _cmexam_lora(text: str, options: Sequence[Option], several: bool) -> str:
    """Every option whose label or text stands anywhere in the answer, in the options' order."""
    found = [option.label for option in options if option.label in text or (option.text and option.text in text)]
    return _one_or_all(found, several)


PROFILES: tuple[Profile, ...] = (
    Profile("huatuogpt2-m2", "FreedomIntelligence/HuatuoGPT-II@88ddf9a match_choice2", _match_choice2, "B"),
    Profile("huatuogpt2-m3", "FreedomIntelligence/HuatuoGPT-II@88ddf9a match_choice3", _match_choice3, "B"),
    Profile("cmb", "FreedomIntelligence/CMB@6c8ece4 match_choice", _cmb, ordered=True),
    Profile("opencompass-first", "open-compass/opencompass@a5acc4b first_option_postprocess", _first_option),
    Profile("opencompass-multi", "open-compass/opencompass@a5acc4b multiple_select_postprocess", _capitals),
    Profile("cmexam-lora", "williamliujl/CMExam@fadb22c evaluate_lora_result", _cmexam_lora),
)
BY_NAME: Mapping[str, Profile] = {profile.name: profile for profile in PROFILES}


def readings(text: str, question: Question) -> dict[str, tuple[bool, bool]]:
    """For each profile by name: whether its project calls the answer right, and whether it read anything."""
    several = question.kind == "multiple"
    said = {profile.name: profile.read(text, question.options, several) for profile in PROFILES}
    return {
        profile.name: (profile.is_right(said[profile.name], question), bool(said[profile.name])) for profile in PROFILES
    }
