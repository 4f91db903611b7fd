"""Write ratings.csv: five annotators with known severity, in three seeded sets. Run once; clmm.R reads what it wrote."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

SETS = {
    # name: (seed, questions, effects, thresholds, deviation of questions, of annotators, share that is missing)
    "complete": (11, 60, (0.0, 0.5, 1.2), (-2.0, 0.3), 0.8, 0.7, 0.0),
    "incomplete": (16, 80, (0.0, -0.4), (-1.5, 1.0), 0.6, 1.1, 0.4),
    "five": (18, 50, (0.0, 0.3, -0.8, 1.5), (-3.0, -1.5, 0.2, 1.8), 1.1, 0.5, 0.1),
    "alike": (14, 60, (0.0, 0.6), (-1.0, 1.0), 0.7, 0.0, 0.0),
}


def main() -> None:
    """Write the file beside this one."""
    with (Path(__file__).parent / "ratings.csv").open("w", encoding="ascii", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("set", "y", "model", "question", "annotator"))
        for name, (seed, questions, effects, thresholds, by_question, by_annotator, missing) in SETS.items():
            rng = np.random.default_rng(seed)
            u, v = rng.normal(0, 1, questions) * by_question, rng.normal(0, 1, 5) * by_annotator
            for m, effect in enumerate(effects):
                for q in range(questions):
                    for a in range(5):
                        eta = effect + u[q] + v[a] + rng.logistic()
                        if rng.random() >= missing:
                            writer.writerow((name, 1 + sum(eta > t for t in thresholds), f"m{m}", f"q{q:02}", f"a{a}"))


if __name__ == "__main__":
    main()
