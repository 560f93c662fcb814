"""Measured speed-up of smaller networks beside that of their FLOPs, as a table."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record

_KINDS = ("inference", "training")


def removal_table(records: Sequence[Record]) -> str:
    """Set measured speed-up beside that of the FLOPs, widths as they come beside rounded ones.

    Args:
        records: Of `removal_speed`.
    """
    sizes = sorted({size for record in records for size in record["case"]["batch_sizes"]})
    cells = [(kind, size) for kind in _KINDS for size in sizes]
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        network = f"{case['network']}, {case['image_size']} x {case['image_size']}"
        full = {(step["kind"], step["batch_size"]): step for step in figures["full"]["steps"]}
        rows.append(
            [network, "1", "", "1.00"]
            + [f"{1000 * full[cell]['seconds']:.1f} ms" if cell in full else "-" for cell in cells]
        )
        for variant in figures["variants"]:
            steps = {(step["kind"], step["batch_size"]): step for step in variant["steps"]}
            rows.append(
                [
                    network,
                    f"{variant['max_flops']:g}",
                    "any" if variant["round_to"] == 1 else f"multiples of {variant['round_to']}",
                    f"{variant['flops_speed_up']:.2f}",
                ]
                + [f"{steps[cell]['speed_up']:.2f}" if cell in steps else "-" for cell in cells]
            )
    return (
        "Speed-up of smaller networks, measured and by multiply-adds; the same fraction of every layer stays, channels "
        "drawn at random. The full network's row has its milliseconds. Medians; all sizes of a network take turns.\n\n"
        + table(
            ["network", "FLOPs ≤", "widths", "FLOPs speed-up", *(f"{kind}, batch {n}" for kind, n in cells)],
            rows,
        )
    )
