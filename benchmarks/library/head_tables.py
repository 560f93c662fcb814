"""Ways of fitting the last layer, side by side."""

from collections.abc import Sequence

from library.markdown import mean_and_deviation, table
from library.pruning_tables import DATASETS, METHODS, signed
from library.results import Record, grouped, head_of


def head_table(records: Sequence[Record]) -> str:
    """Set accuracies by logistic regression beside those by ridge regression, without a gradient step of the network.

    Args:
        records: Of `pruning_cost` without epochs.
    """
    rows = []
    names = ("backbone", "reference", "dataset", "train_size", "method", "max_flops")
    for (backbone, reference, dataset, size, method, budget), cases in grouped(records, *names).items():
        found = {(head_of(case), case["seed"]): 100 * case["figures"]["accuracy"] for case in cases}
        seeds = sorted({seed for _, seed in found if {("ridge", seed), ("logistic", seed)} <= found.keys()})
        ridge, logistic = ([found[head, seed] for seed in seeds] for head in ("ridge", "logistic"))
        rows.append(
            [
                f"{backbone} ({reference})",
                f"{DATASETS[dataset]}, {size:,}",
                METHODS[method],
                f"{budget:g}",
                mean_and_deviation(ridge),
                mean_and_deviation(logistic),
                signed([after - before for before, after in zip(ridge, logistic, strict=True)]),
                str(len(seeds)),
            ]
        )
    return (
        "Test accuracy in per cent without a gradient step of the network, mean ± sample deviation over seeds, each of "
        "which draws the training images anew; *gain* is paired by seed.\n\n"
        + table(["network", "images", "", "FLOPs ≤", "ridge", "logistic", "gain", "seeds"], rows)
    )
