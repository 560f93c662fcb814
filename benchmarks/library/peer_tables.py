"""Tables of the comparison with another library's tracing and removal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from library.markdown import table
from library.results import Record, unique

_OURS = "stamp-tf"


def peer_tables(records: Sequence[Record]) -> str:
    """Set tracing, removal and measured speed-up of every side beside each other.

    Args:
        records: Of `peers`.
    """
    handling = [_handling(*one) for record in records for one in _sides(record)]
    speed = [row for record in records for one in _sides(record) for row in _speed(*one)]
    speed.sort(key=lambda row: (row[0], row[1], row[2] != _OURS))
    return (
        "The same networks (checked: as many parameters and multiply-adds) in Keras and in PyTorch, random weights; "
        "half of the channels of every group go. Both sides take turns in one run, on one thread each; medians of "
        "processor time. "
        "*Removable* is the share of the parameters of convolutions and dense layers that belong to a group. Tracing "
        "lasts until the groups are known. Removal builds a second Keras network here, layer by layer, which takes "
        "most of its time; torch-pruning cuts the given one in place, so that the copy which keeps the full one is "
        "added.\n\n"
        + table(
            [
                "network",
                "by",
                "groups",
                "removable %",
                "trace, ms",
                "remove half, ms",
                "params left %",
                "FLOPs left %",
            ],
            handling,
        )
        + "\n\nSteps of TensorFlow are compiled (`tf.function`), those of PyTorch eager: read a speed-up together with "
        f"its milliseconds.{_peers(records)}\n\n"
        + table(
            [
                "network",
                "what",
                "by",
                "full, ms",
                "pruned, ms",
                "speed-up",
                "FLOPs speed-up",
                "measured / FLOPs",
            ],
            speed,
        )
    )


def _sides(record: Record) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return network, side and figures of every side."""
    case = record["case"]
    network = f"{case['network']}, {case['image_size']} x {case['image_size']}"
    return [(network, side, figures) for side, figures in record["figures"].items()]


def _handling(network: str, side: str, figures: Mapping[str, Any]) -> list[str]:
    """Return the row of what is found and removed, and how long it takes."""
    of_copy = f" + {1000 * figures['seconds_of_copy']:.0f}" if "seconds_of_copy" in figures else ""
    return [
        network,
        side,
        str(figures["num_groups"]),
        f"{100 * figures['removable_share']:.2f}",
        f"{1000 * figures['trace_seconds']:.0f}",
        f"{1000 * figures['remove_seconds']:.0f}{of_copy}",
        f"{100 * figures['parameters_left'] / figures['parameters']:.1f}",
        f"{100 * figures['flops_left'] / figures['flops']:.1f}",
    ]


def _speed(network: str, side: str, figures: Mapping[str, Any]) -> Iterator[list[str]]:
    """Yield a row for each kind of step."""
    flops = figures["flops"] / figures["flops_left"]
    for step in figures["steps"]:
        yield [
            network,
            f"{step['kind']}, batch {step['batch_size']}",
            side,
            *(f"{1000 * step['seconds'][model]:.1f}" for model in ("full", "pruned")),
            f"{step['speed_up']:.2f}",
            f"{flops:.2f}",
            f"{step['speed_up'] / flops:.2f}",
        ]


def _peers(records: Sequence[Record]) -> str:
    """Say which versions the other sides had."""
    versions = unique(
        ", ".join(f"{name} {number}" for name, number in figures["versions"].items())
        for record in records
        for figures in record["figures"].values()
        if "versions" in figures
    )
    return f" Beside it: {'; '.join(versions)}." if versions else ""
