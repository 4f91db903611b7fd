"""What training refuses from its settings alone: said before a run as well, so nothing here needs torch."""

from __future__ import annotations

from huatuo.errors import TrainingError
from huatuo.recipe import TrainSettings


def check_settings(settings: TrainSettings) -> None:
    """Nothing, where the settings can train at all. Raises TrainingError."""
    rates = {"learning_rate": settings.learning_rate}
    if settings.optimiser == "muon":
        rates["muon_learning_rate"] = settings.muon_learning_rate
    for name, rate in rates.items():
        if rate <= 0:
            raise TrainingError(
                f"[train] {name} = {rate}: nothing would be learned; expected a number above 0; next: for example "
                f"{name} = {3e-4 if name == 'learning_rate' else 1.2e-2}"
            )
    if settings.schedule == "constant" and settings.final_share:
        raise TrainingError(
            f'[train] final_share = {settings.final_share} with schedule = "constant", which stays at its peak; next: '
            'remove final_share, or set schedule = "cosine", "linear" or "wsd"'
        )
    if settings.tokens and settings.order == "two-stage":
        raise TrainingError(
            f"[train] tokens = {settings.tokens} would cut the second of two stages; next: set tokens = 0 and change "
            "train.copies, or choose another order"
        )
    if settings.lora is not None and settings.base == "scratch":
        raise TrainingError(
            "[train.lora] needs a trained base, found base = 'scratch': an adapter on random weights learns nothing; "
            "next: set train.base to a model's folder, or remove [train.lora]"
        )
