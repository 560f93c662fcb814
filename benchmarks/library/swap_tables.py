"""How far networks that were fitted to their own images are ahead of those fitted to another set's, as a table."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from library.markdown import table
from library.results import Record, grouped_by

_OF_OTHER = " of other"
# Ranked by remaining errors, or as the reference learnt it, which no other images change.
_RANKINGS = {"remaining-error": "", "stamp": "learnt order"}


def swap_table(records: Sequence[Record]) -> str:
    """Set what another set's channels, kernels and both of them cost beside each other, in points.

    Args:
        records: Of `refit`.
    """
    rows = []
    others = [record for record in records if "other" in record["case"]]
    for (*shared, other), found in grouped_by(
        others, lambda one: (*_place(one), one["case"]["other"])
    ).items():
        place = tuple(shared)
        own = _accuracies([one for one in records if _place(one) == place], "", "refitted")
        swapped = [
            _accuracies(found, *way) for way in ((_OF_OTHER, "refitted"), ("", "other"), (_OF_OTHER, "other"))
        ]
        # Seeds that have no partner would only blur the mean.
        own = {seed: value for seed, value in own.items() if any(seed in values for values in swapped)}
        if own:
            ahead = [_ahead(own, accuracies) for accuracies in swapped]
            mean = f"{statistics.mean(own.values()):.1f}"
            rows.append([*_words(place), other, f"{place[2]:g}", mean, *ahead, str(len(own))])
    head = ["network", "images", "other images", "FLOPs", "own, %", "channels", "kernels", "both", "seeds"]
    return (
        "Test accuracy with channels and kernels from the target's own images, and how many points it is ahead of that "
        "with channels, kernels or both from another set's: mean and standard error over seeds, **bold** beyond two of "
        "them.\n\n" + table(head, rows)
    )


def _place(record: Record) -> tuple[Any, ...]:
    """Return what is the same for own and other images."""
    case = record["case"]
    where = case["network"], case["dataset"], case["max_flops"], case["images"]
    ranking = case["ranking"].removesuffix(_OF_OTHER)
    return (*where, case.get("epochs", 0), case.get("allocation", "global"), ranking)


def _words(place: tuple[Any, ...]) -> tuple[str, str]:
    network, dataset, _, images, epochs, allocation, ranking = place
    notes = ["equal widths"] if allocation == "uniform" else []
    notes += [f"{epochs} epochs"] if epochs else []
    notes += [_RANKINGS[ranking]] if _RANKINGS.get(ranking) else []
    return ", ".join([network, *notes]), f"{dataset}, {images:,}"


def _accuracies(records: Sequence[Record], of: str, kernels: str) -> dict[int, float]:
    """Return accuracies in per cent by seed, of rankings on own or other images and of such kernels."""
    return {
        record["case"]["seed"]: 100 * record["figures"]["accuracy"]
        for record in records
        if record["case"]["ranking"] in [f"{name}{of}" for name in _RANKINGS]
        and record["case"]["kernels"] == kernels
    }


def _ahead(own: dict[int, float], swapped: dict[int, float]) -> str:
    differences = [own[seed] - swapped[seed] for seed in own if seed in swapped]
    if not differences:
        return ""
    mean = statistics.mean(differences)
    if len(differences) == 1:
        return f"{mean:.1f}"
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    words = f"{mean:.1f} ± {error:.1f}"
    return f"**{words}**" if abs(mean) > 2 * error else words
