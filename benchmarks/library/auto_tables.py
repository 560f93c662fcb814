"""The choice between ways of pruning beside each of them, as a table."""

from collections.abc import Sequence

from library.markdown import table
from library.results import Record, grouped


def auto_table(records: Sequence[Record]) -> str:
    """Set the choice beside the best single way of every case, and beside every fixed method on average.

    Args:
        records: Of `auto`.
    """
    names = ("network", "dataset", "images", "max_flops", "epochs", "seed")
    lines, gaps = [], []
    totals: dict[str, list[float]] = {}
    for case, rows in grouped(records, *names).items():
        auto = next((row["figures"] for row in rows if row["case"]["way"] == "auto"), None)
        fixed = {row["case"]["way"]: row["figures"] for row in rows if row["case"]["way"] != "auto"}
        if auto is None:
            continue
        best = max(fixed, key=lambda way: fixed[way]["accuracy"])
        ahead, error = (100 * fixed[best][name] for name in ("ahead", "error"))
        gaps.append(ahead > error)
        for way, figures in fixed.items():
            totals.setdefault(way, []).append(100 * (figures["accuracy"] - auto["accuracy"]))
        network, dataset, images, budget, epochs, _ = case
        accuracies = [f"{100 * one['accuracy']:.1f}" for one in (auto, fixed[best])]
        where = [f"{network}, {dataset}, {images}", f"{budget:g}", str(epochs)]
        difference = f"{ahead:+.1f} ± {error:.1f}"
        lines.append([*where, auto["chosen"], accuracies[0], best, accuracies[1], difference])
    head = [
        "network, data set, images",
        "FLOPs",
        "epochs",
        "auto takes",
        "%",
        "best single way",
        "%",
        "ahead",
    ]
    averages = [
        [way, f"{sum(found) / len(found):+.1f}", f"{min(found):+.1f}", f"{max(found):+.1f}", str(len(found))]
        for way, found in sorted(totals.items(), key=lambda one: -sum(one[1]) / len(one[1]))
    ]
    return "\n\n".join(
        [
            "Test accuracy in per cent of what `--method auto` makes, and of the best of the ways that it chooses "
            "between, found on the test images; *ahead* with its standard error, both networks being asked about the "
            "same images.",
            table(head, lines),
            f"The best way is ahead by more than one standard error in {sum(gaps)} of {len(gaps)} "
            "cases. Every way as a fixed method, less `auto`, points:",
            table(["way", "mean", "least", "most", "cases"], averages),
        ]
    )
