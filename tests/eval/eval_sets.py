"""Small questions and pairs, and a model that answers by a function and may die."""

from collections.abc import Iterator, Sequence

from huatuo.llm.base import Reply
from huatuo.records import Message, Option, Pair, Provenance, Question
from huatuo.store import content_id

OPTIONS = tuple(
    Option(label=label, text=text)
    for label, text in zip("ABCDE", ["头孢", "青霉素", "红霉素", "四环素", "链霉素"], strict=True)
)


class Dies(RuntimeError):
    """What a fake model dies of."""


class FakeModel:
    """Answers by a function of the last message; dies after so many replies; remembers what it was asked."""

    def __init__(self, reply=lambda text: "A", name="fake", dies_after=None, digest="d1"):
        self.name, self.digest, self.format = name, digest, "plain"
        self.reply, self.dies_after = reply, dies_after
        self.asked: list[str] = []

    def chat(self, conversations: Sequence[Sequence[Message]], sampling) -> Iterator[tuple[int, Reply]]:
        for index in reversed(range(len(conversations))):  # any order is allowed
            if self.dies_after is not None and len(self.asked) >= self.dies_after:
                raise Dies
            text = conversations[index][-1].content
            self.asked.append(text)
            said = self.reply(text)
            yield index, said if isinstance(said, Reply) else Reply(text=said, prompt_tokens=3, completion_tokens=1)


def exam(number, gold="A", kind="single", language="zh", group="exam", stem=None):
    return Question(
        id=content_id("exam", group, str(number)),
        exam=group,
        kind=kind,
        group=group,
        language=language,
        stem=stem or f"第{number}题：下列哪种药物首选用于第{number}号感染的治疗？",
        options=OPTIONS,
        gold=tuple(gold),
    )


def probe(entity, values, group="held-out phrasings", relation="临床症状", parents=None):
    return Question(
        id=content_id("probe", group, relation, entity),
        exam="knowledge probe",
        kind="knowledge",
        group=group,
        subject=relation,
        entity=entity,
        stem=f"{entity}会怎么样？",
        gold=tuple(values),
        parents=tuple(parents if parents is not None else [f"{entity} {value}" for value in values]),
    )


def pair(question, answer, parents=(), split="train"):
    turns = (Message(role="user", content=question), Message(role="assistant", content=answer))
    return Pair(
        id=content_id(question, answer),
        messages=turns,
        source="graph",
        language="zh",
        shape="direct",
        parents=tuple(parents),
        split=split,
        provenance=Provenance(by="model"),
    )
