"""Tables of ways to train a reference, those that differ in one kind of thing beside each other."""

from collections.abc import Sequence

from library.markdown import mean_and_deviation, table
from library.results import Record, grouped, unique

_TITLES = {"held_out": "CIFAR-100", "cifar10": "CIFAR-10", "gtsrb": "GTSRB"}
_FULL = "1"


def recipe_tables(records: Sequence[Record]) -> str:
    """Return a table of accuracies for each group of rows, in the order of the records.

    Args:
        records: Of `recipes`.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record["figures"]["group"], []).append(record)
    return "\n\n".join(f"### {name[0].upper()}{name[1:]}\n\n{_table(own)}" for name, own in groups.items())


def _table(records: Sequence[Record]) -> str:
    columns = unique(
        name for record in records for name, value in record["figures"].items() if isinstance(value, float)
    )
    columns.sort(key=lambda name: list(_TITLES).index(_parts(name)[0]))
    lines = [
        [
            own[0]["figures"]["title"],
            *(
                mean_and_deviation(
                    [100 * record["figures"][name] for record in own if name in record["figures"]]
                )
                for name in columns
            ),
            str(len(own)),
        ]
        for own in grouped(records, "row").values()
    ]
    heads = [f"{_TITLES[data]}, {budget}" for data, budget in map(_parts, columns)]
    return table(["way", *heads, "seeds"], lines)


def _parts(name: str) -> tuple[str, str]:
    """Return what a figure is of, and the budget that it was measured at."""
    data, _, budget = name.partition("_at_")
    return data, budget or _FULL
