"""The patient's side of a consultation: what a model that plays the patient is shown, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

END = re.compile(r"\W*(?:结束|end)\W*", re.IGNORECASE)
"""What a patient says who has nothing more to ask."""

Turns = Sequence[tuple[str, str]]
"""What patient and physician said, turn by turn."""


def patient_block(card: Mapping[str, Any], turns: Turns, most: int) -> dict[str, Any]:
    """The block of the prompt ``consultation_patient``: the patient knows the case and the dialogue, nothing else."""
    return {"shape": "patient", "case": card, "dialogue": lines(turns), "turn": len(turns) + 1, "turns": most}


def lines(turns: Turns) -> list[dict[str, str]]:
    """The dialogue as the prompts hold it."""
    return [{"patient": patient, "doctor": doctor} for patient, doctor in turns]
