"""What a suite compares: frozen data files, one a table or figure of a paper."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any, Literal

import msgspec

from stamp_registry import did_you_mean, names
from stamp_tf.errors import StampError

_FOLDER = "suites"
View = Literal[
    "table",
    "accuracy_by_params",
    "accuracy_by_flops",
    "accuracy_by_time",
    "accuracy_by_passes",
    "accuracy_by_images",
    "time_by_images",
    "channels",
    "swaps",
    "iou_by_similarity",
    "odds_by_votes",
    "filters_by_votes",
]


class Published(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of a paper's table.

    Args:
        accuracy: In per cent.
        deviation: Of three seeds.
        params: Parameters that remain, in per cent.
        flops: Full network's FLOPs over those that remain.
        hours: Of pruning and training.
    """

    accuracy: float
    deviation: float | None = None
    params: float
    flops: float
    hours: float | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One method under its limits.

    Args:
        key: Names its cases.
        title: As the paper has it.
        kind: What it takes away, or whether it is ours.
        method: Its name; where no such method is installed, the published figures alone are shown.
        limits: Fields of `PruneConfig` that limit a cost.
        options: Further fields of `PruneConfig`.
        memory: Key of the row whose runs on the tasks that are remembered it starts from, as its option `memory`.
        published: Target -> the paper's figures.
    """

    key: str
    title: str
    kind: Literal["full", "weights", "channels", "ours"]
    method: str
    limits: dict[str, float] = {}
    options: dict[str, Any] = {}
    memory: str = ""
    published: dict[str, Published] = {}

    @property
    def is_installed(self) -> bool:
        """Whether there is such a method here."""
        return self.method in names("stamp_tf.pruners")


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How large the runs of a suite are.

    Args:
        epochs: Of fine-tuning.
        seeds: Of all that is random, one run each.
        train_sizes: Balanced parts of so many training images; 0 takes all.
        rates: Rates of fine-tuning, of which each row takes the one that suits it best on held-out training images.
        rate_epochs: Epochs of each of these trials.
        backbone_options: What the reference's network must have been built with, where it was given options at all.
        method_options: Method -> options of its own that rows take at this size, such as those of a shorter search.
        tasks: Name -> numbers of classes: parts of every target that take its place; none leaves it whole.
        remembered: Further such tasks, on which rows are run that others start from, with the most training images.
        voters: How many similar tasks vote, in views that count votes.
    """

    epochs: int
    seeds: tuple[int, ...]
    train_sizes: tuple[int, ...] = (0,)
    rates: tuple[float, ...] = (0.2, 0.05)
    rate_epochs: int
    backbone_options: dict[str, Any] = {}
    method_options: dict[str, dict[str, Any]] = {}
    tasks: dict[str, tuple[int, ...]] = {}
    remembered: dict[str, tuple[int, ...]] = {}
    voters: int = 10


class Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table or figure.

    Args:
        title: What is compared.
        source: Where it was published.
        backbone: Registered name.
        targets: Name -> data set, as `load_dataset` takes it.
        scales: Name -> how large.
        rows: The methods, in the order of the table.
        views: What is shown.
        note: What a reader has to know.
        parents: The parent of each class of the targets, by their numbers, where views ask for it.
    """

    title: str
    source: str
    backbone: str
    targets: dict[str, str]
    scales: dict[str, Scale]
    rows: tuple[Row, ...]
    views: tuple[View, ...] = ("table",)
    note: str = ""
    parents: tuple[int, ...] = ()


def suite_names() -> tuple[str, ...]:
    """Return the names of all suites, sorted."""
    found = files("stamp_tf.benchmarking").joinpath(_FOLDER).iterdir()
    return tuple(sorted(file.name.removesuffix(".toml") for file in found if file.name.endswith(".toml")))


def load_suite(name: str) -> Suite:
    """Read a suite.

    Args:
        name: Of `suite_names`.

    Raises:
        StampError: If there is no such suite.
    """
    known = suite_names()
    if name not in known:
        raise StampError(
            f"`suite` must be one of {', '.join(known)}, but got {name}; write one of them.{did_you_mean(name, known)}"
        )
    text = files("stamp_tf.benchmarking").joinpath(_FOLDER, f"{name}.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Suite)
