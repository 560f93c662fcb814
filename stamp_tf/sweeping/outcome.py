"""What a sweep found, run by run: small frozen records, to and from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stamp_tf.limits.kinds import limits_in_words
from stamp_tf.measure.interval import wilson_interval
from stamp_tf.options.prune import PruneConfig
from stamp_tf.report.report import Report
from stamp_tf.storage.records import finite


@dataclass(frozen=True, kw_only=True)
class SweptRun:
    """One network of a sweep.

    Args:
        name: That of its folder.
        method: The pruner.
        limits: What was asked for, in words.
        test_accuracy: At its end, in [0, 1].
        test_images: How many that is of.
        params: Parameters.
        flops: Multiply-adds per image.
        params_fraction: Parameters / those of the full network.
        flops_fraction: The same of multiply-adds.
        num_bytes: Size of its `.keras` file.
        latency: Seconds of an inference step with one image; None if nothing was measured.
        full_latency: The same of the full network, measured beside it.
        seconds: Target time, as in `report.json`.
    """

    name: str
    method: str
    limits: Mapping[str, str]
    test_accuracy: float
    test_images: int
    params: int
    flops: int
    params_fraction: float
    flops_fraction: float
    num_bytes: int
    latency: float | None = None
    full_latency: float | None = None
    seconds: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy on any number of such images lies, with 95 % certainty."""
        return wilson_interval(self.test_accuracy, self.test_images)

    @classmethod
    def of(cls, name: str, config: PruneConfig, report: Report) -> SweptRun:
        """Take what a sweep tells from the report of a run.

        Args:
            name: That of its folder.
            config: Its options.
            report: The report.
        """
        at_once = [row for row in report.speed if row.kind == "inference"]
        speed = min(at_once, key=lambda row: row.batch_size, default=None)
        return cls(
            name=name,
            method=report.method,
            limits=limits_in_words(vars(config)),
            test_accuracy=report.test_accuracy,
            test_images=report.history[-1].test_images or 1,
            params=report.params,
            flops=report.flops,
            params_fraction=report.params_fraction,
            flops_fraction=report.flops_fraction,
            num_bytes=sum(file.num_bytes for file in report.files if file.format == "keras"),
            latency=None if speed is None else speed.pruned_seconds,
            full_latency=None if speed is None else speed.full_seconds,
            seconds=report.seconds,
        )


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Networks of several budgets and methods for one data set.

    Args:
        backbone: Name of the backbone.
        dataset: Name of the data set.
        epochs: Of fine-tuning.
        full_accuracy: Test accuracy of the full network with statistics and head for the data set, not fine-tuned.
        head: Where that head comes from: `logistic`, `ridge` or `random`, which are new, or `keep`.
        full_params: Its parameters.
        full_flops: Its multiply-adds per image.
        runs: The networks, in the order that was asked for.
        command: What was typed.
        full_tuned_accuracy: Test accuracy of the full network fine-tuned as the others were, where that was asked for.
    """

    backbone: str
    dataset: str
    epochs: int
    full_accuracy: float
    full_params: int
    full_flops: int
    head: str
    runs: tuple[SweptRun, ...]
    command: str = ""
    full_tuned_accuracy: float | None = None

    @property
    def full_name(self) -> str:
        """What the full network is called where it stands beside the others."""
        new_head = "" if self.head == "keep" else " with a new head"
        return f"full network{new_head}{', not fine-tuned' if self.epochs else ''}"

    @property
    def full_interval(self) -> tuple[float, float]:
        """Where the full network's accuracy on any number of such images lies, with 95 % certainty."""
        return wilson_interval(self.full_accuracy, self.runs[0].test_images)

    @property
    def full_tuned_interval(self) -> tuple[float, float] | None:
        """The same of the full network fine-tuned, where it was."""
        tuned = self.full_tuned_accuracy
        return None if tuned is None else wilson_interval(tuned, self.runs[0].test_images)

    def to_json(self) -> dict[str, Any]:
        """Return the content of a sweep's `report.json`."""
        content = asdict(self)
        for row, run in zip(content["runs"], self.runs, strict=True):
            row["interval"] = run.interval
        return finite(content)
