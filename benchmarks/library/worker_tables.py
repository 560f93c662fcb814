"""How much faster several processes train than one."""

from collections.abc import Sequence
from statistics import median

from library.markdown import table
from library.results import Record


def worker_table(records: Sequence[Record]) -> str:
    """List images per second and efficiency of several processes against one."""
    rows = []
    for record in records:
        case, figures = record["case"], record["figures"]
        rates = {way: median(values) for way, values in figures["images_per_second"].items()}
        rows.append(
            [
                case["backbone"],
                f"{case['width']:g}",
                case["step"],
                str(case["batch_size"]),
                str(case["workers"]),
                *(f"{rates[way]:.0f}" for way in ("alone", "apart", "together")),
                f"{figures['efficiency_apart']:.2f}",
                f"**{figures['efficiency_together']:.2f}**",
            ]
        )
    head = [
        "network",
        "width",
        "step",
        "images of a process",
        "processes",
        "one: images/s",
        "apart",
        "together",
    ]
    return (
        "Processes that train one network, each on a core with one thread and its own share of a step, as "
        "`TF_CONFIG` starts them ([docs](../docs/several-machines.md)), against one process on one core. *Apart*: as "
        "many that know nothing of each other, so that what they lose is the machine's doing. Efficiency: images/s "
        "over those of one times the number of processes, median over rounds.\n\n"
        + table([*head, "efficiency apart", "together"], rows)
    )
