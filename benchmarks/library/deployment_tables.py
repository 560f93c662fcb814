"""What leaves for a phone or a server: sizes, accuracies and times of files, and `predict` beside Keras's own."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from library.markdown import mean_and_deviation, table
from library.results import Record, grouped

_SHOWN = ("pictures", "noise")
_FILES = ("file", "size", "test accuracy", "one image")
_AGREEMENT = tuple(f"{what}, {shown}" for shown in _SHOWN for what in ("largest difference", "same class"))


def deployment_tables(records: Sequence[Record]) -> str:
    """List what each network's command took, what its files are worth and what `predict` takes."""
    parts = [
        "A network that others trained, pruned by the command that stands below, and written in every format. *Largest "
        "difference* of a probability and *same class*, per cent: 100 test images, and 100 of random pixels, beside "
        "the Keras network. The full network is not fine-tuned; its head is new where its classes are not the "
        "target's. One image: median of 100 rounds, files of LiteRT taking turns with each other, and the others; "
        "`predict`: median over rounds, starting Python included, Keras's own with its own reader of folders."
    ]
    for (network, dataset, options), found in grouped(records, "network", "dataset", "options").items():
        parts.append(f"**{network}**, {dataset}, `{options}`")
        figures = {record["case"]["stage"]: record["figures"] for record in found}
        if "command" in figures:
            parts.append(_command(figures["command"]))
        if "seeds" in figures:
            pruned, full = (
                mean_and_deviation([100 * value for value in figures["seeds"][name]])
                for name in ("accuracies", "full")
            )
            number = len(figures["seeds"]["seeds"])
            parts.append(
                f"By {number} seeds it comes to {pruned} %, the full network to {full} % (deviations)."
            )
        if "files" in figures:
            parts.append(
                table([*_FILES, *_AGREEMENT], [_file(name, file) for name, file in figures["files"].items()])
            )
        if "predict" in figures:
            seconds = figures["predict"]["seconds"]
            rows = [[name, f"{median(values):.1f} s"] for name, values in seconds.items()]
            parts.append(table([f"{figures['predict']['pictures']:,} pictures", "time"], rows))
    return "\n\n".join(parts)


def _command(figures: dict[str, Any]) -> str:
    lowest, highest = (100 * end for end in figures["interval"])
    return (
        f"The whole command took {figures['seconds']:.0f} s and at most {figures['peak_bytes'] / 1e9:.1f} GB, with "
        f"report and SavedModel: {100 * figures['test_accuracy']:.1f} % of the test images ({lowest:.1f} to "
        f"{highest:.1f} with 95 % certainty) at {figures['flops_fraction']:.2f} of the FLOPs, the full network "
        f"{100 * figures['full']['accuracy']:.1f} %."
    )


def _file(name: str, figures: dict[str, Any]) -> list[str]:
    size = figures["bytes"] / 1e6
    return [
        name,
        f"{size:.2f} MB" if size >= 1 else f"{1e3 * size:.1f} kB",
        f"{100 * figures['accuracy']:.1f} %",
        f"{1e3 * figures['seconds']:.2f} ms",
        *(cell for shown in _SHOWN for cell in _agreement(figures, shown)),
    ]


def _agreement(figures: dict[str, Any], shown: str) -> tuple[str, str]:
    if f"difference_{shown}" not in figures:
        return "", ""
    return f"{figures[f'difference_{shown}']:.0e}", f"{100 * figures[f'same_class_{shown}']:.0f}"
