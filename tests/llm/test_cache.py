"""A reply that is on disk is never asked for again, whatever ends the process."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from huatuo.errors import DataError, ModelError
from huatuo.llm.base import Branches, Reply, Sampling, Weights
from huatuo.llm.cache import GROUP_REPLIES, Cached
from huatuo.records import Message


class Teacher:
    """Answers with its prompt; counts what it was asked."""

    def __init__(self, digest="", failing=(), time=""):
        self.name, self.digest, self.format = "teacher", digest, ""
        self.failing, self.time, self.asked, self.closed = failing, time, [], False

    def chat(self, conversations, sampling):
        try:
            for index in reversed(range(len(conversations))):
                said = conversations[index][-1].content
                self.asked.append(said)
                if said in self.failing:
                    yield index, Reply(text="", finish_reason="error", error="status 500")
                else:
                    yield index, Reply(text="答" + said, prompt_tokens=3, time=self.time)
        finally:
            self.closed = True

    def stream(self, messages, sampling):
        self.asked.append(messages[-1].content)
        yield from ("流", "式")

    def logprobs(self, prefix, continuations):
        raise ModelError("teacher has no log-probabilities")


def talk(*texts):
    return [[Message(role="user", content=text)] for text in texts]


def rows(path):
    connection = sqlite3.connect(path)
    try:
        return connection.execute("SELECT count(*) FROM replies").fetchone()[0]
    finally:
        connection.close()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "calls.sqlite"


@pytest.mark.parametrize("digest", ["", "weights"])
def test_a_second_run_asks_nothing_and_answers_the_same(path, digest):
    texts = [f"问题{n}" for n in range(1200)]
    first, second = Teacher(digest), Teacher(digest)
    answered = dict(Cached(first, path).chat(talk(*texts), Sampling()))
    again = Cached(second, path)
    assert dict(again.chat(talk(*texts), Sampling())) == answered
    assert len(first.asked) == 1200
    assert second.asked == []
    assert (again.hits, again.asked) == (1200, 0)
    assert answered[7] == Reply(text="答问题7", prompt_tokens=3)


def test_equal_conversations_of_one_call_are_asked_once_and_all_answered(path):
    teacher = Teacher()
    replies = list(Cached(teacher, path).chat(talk(*["同", "异", "同"] * 400), Sampling()))
    assert sorted(teacher.asked) == ["同", "异"]
    assert sorted(index for index, _ in replies) == list(range(1200))
    assert all(reply.text == "答" + ["同", "异", "同"][index % 3] for index, reply in replies)


def test_errors_are_not_kept(path):
    assert dict(Cached(Teacher(failing=("坏",)), path).chat(talk("坏", "好"), Sampling()))[0].finish_reason == "error"
    healed = Teacher()
    assert dict(Cached(healed, path).chat(talk("坏", "好"), Sampling()))[0].text == "答坏"
    assert healed.asked == ["坏"]


def test_model_digest_format_sampling_role_and_text_make_the_key(path):
    list(Cached(Teacher("a"), path).chat(talk("问"), Sampling()))
    other_name = Teacher("a")
    other_name.name = "another"
    other_format = Teacher("a")
    other_format.format = "chatml"
    for teacher, messages, sampling in (
        (other_format, talk("问"), Sampling()),
        (other_name, talk("问"), Sampling()),
        (Teacher("b"), talk("问"), Sampling()),
        (Teacher("a"), talk("问"), Sampling(seed=1)),
        (Teacher("a"), talk("问 "), Sampling()),
        (Teacher("a"), [[Message(role="assistant", content="问")]], Sampling()),
    ):
        list(Cached(teacher, path).chat(messages, sampling))
        assert len(teacher.asked) == 1


@pytest.mark.parametrize("teacher", [Teacher(""), Teacher("weights", time="2026-01-01T00:00:00+00:00")])
def test_a_paid_reply_is_on_disk_before_it_is_handed_on(path, teacher):
    for seen, _ in enumerate(Cached(teacher, path).chat(talk("一", "二", "三"), Sampling()), 1):
        assert rows(path) == seen


def test_a_free_model_is_written_in_groups_and_whole_when_the_caller_stops(path):
    teacher = Teacher("weights")
    replies = Cached(teacher, path).chat(talk(*map(str, range(3 * GROUP_REPLIES))), Sampling())
    for _ in range(GROUP_REPLIES + 9):
        next(replies)
    assert rows(path) > 9  # less than one group is still to be written
    replies.close()
    assert rows(path) == GROUP_REPLIES + 9
    assert teacher.closed


def test_a_stream_is_answered_from_disk_but_not_kept(path):
    teacher = Teacher()
    cached = Cached(teacher, path)
    assert list(cached.stream(talk("问")[0], Sampling())) == ["流", "式"]
    list(cached.chat(talk("问"), Sampling()))
    assert list(cached.stream(talk("问")[0], Sampling())) == ["答问"]
    assert teacher.asked == ["问", "问"]
    with pytest.raises(ModelError, match="teacher"):
        cached.logprobs([1], [[2]])


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"calls\.sqlite: replies cannot be kept here.*next:"):
        Cached(Teacher(), tmp_path / "file" / "calls.sqlite")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match=r"cannot be kept here.*folder that can be written"):
        Cached(Teacher(), tmp_path / "calls.sqlite")


def test_a_database_that_may_not_be_written_is_refused_before_anything_is_asked(path, monkeypatch):
    Cached(Teacher(), path).close()
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda p, **options: connect(f"file:{p}?mode=ro", uri=True, **options))
    with pytest.raises(DataError, match="readonly database"):
        Cached(Teacher(), path)


def test_a_file_that_is_no_cache_is_left_alone(path):
    path.parent.mkdir()
    path.write_text("not a database, but long enough to be read as the header of one " * 20)
    with pytest.raises(DataError, match="not a database"):
        Cached(Teacher(), path)
    assert path.read_text().startswith("not a database")
    other = path.with_name("other.sqlite")
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE replies (something TEXT)")
    connection.close()
    with pytest.raises(DataError, match="no such column"):
        Cached(Teacher(), other)


def test_a_damaged_reply_is_an_error_not_an_answer(path):
    list(Cached(Teacher(), path).chat(talk("问"), Sampling()))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE replies SET reply = substr(reply, 1, 9)")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match="cannot be read"):
        list(Cached(Teacher(), path).chat(talk("问"), Sampling()))


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_cache import Teacher, talk
from huatuo.llm.base import Sampling
from huatuo.llm.cache import Cached
for index, reply in Cached(Teacher(), Path(sys.argv[1])).chat(talk(*map(str, range(2000))), Sampling()):
    print(reply.text, flush=True)
    time.sleep(0.0005)
"""


@pytest.mark.slow
def test_nothing_that_was_handed_on_is_asked_again_after_kill_9(path):
    here = str(Path(__file__).parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), here], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    with child:
        seen = [child.stdout.readline().strip() for _ in range(300)]
        os.kill(child.pid, signal.SIGKILL)
        seen += [line.strip() for line in child.stdout.read().split("\n")[:-1]]
    assert child.returncode == -signal.SIGKILL
    assert 300 <= len(seen) < 2000
    teacher = Teacher()
    replies = dict(Cached(teacher, path).chat(talk(*map(str, range(2000))), Sampling()))
    assert len(replies) == 2000
    assert not {"答" + said for said in teacher.asked} & set(seen)
    assert len(teacher.asked) + len(seen) in (1999, 2000)  # one may have been committed and not handed on


@pytest.mark.slow
def test_hits_are_cheap(path):
    conversations = talk(*(f"问题{n}" * 20 for n in range(4000)))
    list(Cached(Teacher("weights"), path).chat(conversations, Sampling()))
    cached, best = Cached(Teacher("weights"), path), 0.0
    for _ in range(3):
        started = time.process_time()
        assert sum(1 for _ in cached.chat(conversations, Sampling())) == 4000
        best = max(best, 4000 / (time.process_time() - started))
    assert best > 20_000, f"{best:,.0f} hits per CPU second"


class Scale(Teacher):
    """Weighs a continuation by its length; what is 13 long it cannot weigh. Counts the prompts that it computes."""

    def branches(self, messages, texts, end):
        return Branches(prefix=[1], continuations=[[2]])

    def logprobs_of(self, prompts):
        for index in reversed(range(len(prompts))):
            self.asked.append(prompts[index])
            if len(prompts[index].prefix) == 13:
                yield index, Weights(error="too long")
            else:
                yield (
                    index,
                    Weights(
                        logprobs=[-0.1 * sum(ids) - len(prompts[index].prefix) for ids in prompts[index].continuations]
                    ),
                )


def prompts(count=1200):
    return [Branches(prefix=list(range(1 + n % 600)), continuations=[[n], [n, 7]]) for n in range(count)]


def test_log_probabilities_of_the_same_weights_are_computed_once_whatever_the_model_is_called(path):
    first, second, other = Scale("w"), Scale("w"), Scale("x")
    second.name = "renamed"
    found = dict(Cached(first, path).logprobs_of(prompts()))
    again = dict(Cached(second, path).logprobs_of(prompts()))
    assert again == found
    assert found[5].logprobs == pytest.approx([-0.5 - 6, -1.2 - 6], abs=0)
    assert len(first.asked) == 1200
    assert [len(one.prefix) for one in second.asked] == [13, 13]  # an error is tried again
    assert dict(Cached(other, path).logprobs_of(prompts(3))).keys() == {0, 1, 2}
    assert len(other.asked) == 3


def test_another_continuation_is_another_question_and_equal_prompts_are_computed_once(path):
    model = Scale("w")
    one = Branches(prefix=[1, 2], continuations=[[3], [4]])
    cached = Cached(model, path)
    assert len(dict(cached.logprobs_of([one, one, one]))) == 3
    assert len(model.asked) == 1
    assert dict(cached.logprobs_of([one.model_copy(update={"continuations": [[4], [3]]})]))[0].logprobs == [-2.4, -2.3]
    assert len(model.asked) == 2


def test_without_a_digest_nobody_knows_whose_log_probabilities_they_are(path):
    first, second = Scale(""), Scale("")
    assert dict(Cached(first, path).logprobs_of(prompts(20))) == dict(Cached(second, path).logprobs_of(prompts(20)))
    assert len(second.asked) == 20


def test_log_probabilities_that_are_no_numbers_are_refused_with_the_next_step(path):
    list(Cached(Scale("w"), path).logprobs_of(prompts(3)))
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE weights SET logprobs = '[null]'")
    connection.close()
    with pytest.raises(DataError, match="next: move the file away"):
        list(Cached(Scale("w"), path).logprobs_of(prompts(3)))


def test_what_was_computed_before_the_process_ended_stays(path):
    model = Scale("w")
    stopped = Cached(model, path).logprobs_of(prompts())
    for _ in range(700):
        next(stopped)
    stopped.close()
    again = Scale("w")
    assert len(dict(Cached(again, path).logprobs_of(prompts()))) == 1200
    assert len(again.asked) <= 502
