"""Where the time of a step goes, by kind of layer, as a table."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record


def layer_table(records: Sequence[Record]) -> str:
    """Set the time of each kind of layer in the full network beside that in the smaller one.

    Args:
        records: Of `layer_times`.
    """
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        full, smaller = figures["full"], figures["smaller"]
        network = f"{case['network']}, {case['image_size']} x {case['image_size']}"
        whole = sum(full.values())
        for kind in sorted(full, key=full.__getitem__, reverse=True):
            rows.append(
                [
                    network,
                    kind,
                    f"{1000 * full[kind]:.1f}",
                    f"{100 * full[kind] / whole:.0f} %",
                    f"{full[kind] / smaller[kind]:.2f}",
                ]
            )
        rows.append([network, "all", f"{1000 * whole:.1f}", "", f"{whole / sum(smaller.values()):.2f}"])
        rows.append([network, "*activation memory*", "", "", f"{figures['memory_speed_up']:.2f}"])
        rows.append([network, "*FLOPs*", "", "", f"{figures['flops_speed_up']:.2f}"])
    batch = records[0]["case"]["batch_size"]
    return (
        f"Inference, batch {batch}, each layer compiled and timed on its own. A quarter of the multiply-adds is left, "
        "with about half of the channels of every layer. Kernels that mix channels have a quarter of the work then; "
        "depthwise convolutions, normalisations, activations and sums, which handle each channel apart, have half. "
        "So a network gains the less, the more of its time those take.\n\n"
        + table(["network", "kind of layer", "full, ms", "share", "speed-up"], rows)
    )
