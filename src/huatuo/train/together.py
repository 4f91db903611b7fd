"""Training as one of several processes: the first runs the recipe and writes, the others learn with it.

Under ``torchrun`` every process is started with the same command. The first makes all stages; when it comes to training
it tells the others where the tokens and the order lie, and they take their share of every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huatuo import store
from huatuo.recipe import RunSettings, TrainSettings
from huatuo.train import loop
from huatuo.train.ranks import Ranks, joined


class Together:
    """The processes of a run."""

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.others_wait = True
        """Whether the others wait for the first to say what is next."""

    def lead(self, settings: TrainSettings, run: RunSettings, tokens: Path, order: Path, out: store.Writer) -> None:
        """Train with the others, and write what `huatuo.train.loop.train` does."""
        self.others_wait = False
        self.ranks.told([str(path.resolve()) for path in (tokens, order, out.folder)])
        loop.train(settings, run, tokens, order, out, self.ranks)
        self.others_wait = True

    def follow(self, settings: TrainSettings, run: RunSettings) -> None:
        """Learn with the first process whenever it trains, until it says that it is done."""
        while (paths := self.ranks.told()) is not None:
            tokens, order, folder = map(Path, paths)
            loop.learn(settings, run, tokens, order, folder, self.ranks)


@contextmanager
def together(settings: TrainSettings) -> Iterator[Together]:
    """The processes that ``torchrun`` started, for the length of a run: this one alone where it started none.

    When the first leaves while the others wait, they are told that nothing more is to be done; where one fails in the
    middle of training, all end with its error (`huatuo.train.stopping`).
    """
    with joined(settings.device) as ranks:
        found = Together(ranks)
        try:
            yield found
        finally:
            if ranks.is_first and found.others_wait:
                ranks.told(None)
