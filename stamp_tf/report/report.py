"""The figures of one pruning run: small frozen records, to and from JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from stamp_tf.errors import StampError
from stamp_tf.measure.full_accuracy import FullAccuracy
from stamp_tf.measure.tried import Tried
from stamp_tf.options.compression import parts_of
from stamp_tf.report.history import HistoryEntry
from stamp_tf.report.sparse import SparseSize
from stamp_tf.report.tested import Tested
from stamp_tf.storage.records import finite
from stamp_tf.training.epoch_record import EpochRecord

SECONDS_PER_HOUR = 3600.0
OTHER_FORMATS = ("litert", "litert-dynamic", "litert-int8", "onnx", "openvino")
"""Formats of other runtimes than TensorFlow and Keras, which are all called alike."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer before and after pruning; channels are output channels, FLOPs multiply-adds per image."""

    name: str
    kind: str
    channels_before: int
    channels_after: int
    params_before: int
    params_after: int
    flops_before: int
    flops_after: int


@dataclass(frozen=True)
class GroupRow:
    """One channel group: how many channels it had and the indices, rising, of those that were kept."""

    name: str
    size: int
    kept: tuple[int, ...]

    def __post_init__(self) -> None:
        kept = tuple(int(index) for index in self.kept)
        if self.size < 1:
            raise StampError(f"size must be at least 1, but group {self.name} has {self.size}; leave it out.")
        if list(kept) != sorted(set(kept)) or (kept and not 0 <= kept[0] <= kept[-1] < self.size):
            raise StampError(
                f"kept must be rising indices below {self.size}, but group {self.name} has {kept}; "
                "give the indices where the mask is 1."
            )
        object.__setattr__(self, "kept", kept)

    @property
    def keep_ratio(self) -> float:
        """Kept / all, in [0, 1]."""
        return len(self.kept) / self.size


@dataclass(frozen=True, kw_only=True)
class SpeedRow:
    """Median seconds of one `inference` or one `training` step, the full network against the pruned one."""

    kind: str
    batch_size: int
    full_seconds: float
    pruned_seconds: float

    def __post_init__(self) -> None:
        if not (self.full_seconds > 0 and self.pruned_seconds > 0):
            raise StampError(
                f"seconds must be above 0, but are {self.full_seconds} and {self.pruned_seconds}; measure again."
            )

    @property
    def ratio(self) -> float:
        """Speed-up, full / pruned."""
        return self.full_seconds / self.pruned_seconds


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """A file, or a folder as a whole, that an exporter wrote, and what its own runtime made of it.

    Args:
        path: Its place in the run.
        format: The exporter's name.
        num_bytes: Its size.
        gzip_bytes: Its size as gzip leaves it, where a run holds compressed networks.
        accuracy: Share of test images that it classifies rightly; None where it was not measured.
        test_images: How many images that is of.
        latency: Median seconds of one image; None where it was not measured.
    """

    path: str
    format: str
    num_bytes: int
    gzip_bytes: int | None = None
    accuracy: float | None = None
    test_images: int | None = None
    latency: float | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that `report.json` and `report.html` tell about a run.

    Args:
        method: Name of the pruner.
        backbone: Name of the backbone.
        dataset: Name of the data set of the last step.
        seed: Seed of the run.
        test_accuracy: Share of its test images classified rightly after the last step, in [0, 1].
        params: Parameters of the pruned network.
        full_params: Parameters of the full network with the same head.
        flops: Multiply-adds per image of the pruned network.
        full_flops: Multiply-adds per image of the full network.
        seconds: Target time: from the loaded network to the fine-tuned one.
        activation_bytes: Bytes that the pruned network's layers write for one image; None if nobody counted.
        full_activation_bytes: Bytes that the full network's layers write.
        times: Seconds per phase, in order: load, propose, slice, refit, statistics, head, teacher, finetune, evaluate,
            export, measure. Where a budget was searched for, `search` follows propose.
        dollars_per_hour: Price of the machine, for the expense; None leaves it out.
        speed: Measured side by side.
        layers: Before and after, in the network's order.
        groups: Kept channels, in the network's order.
        curve: Fine-tuning, epoch by epoch.
        details: Anything else worth a line, such as width, budget or number of images of the last step.
        history: The steps that made the network, the last one last; without any, the one step that the rest tells of.
        command: What was typed for the last step.
        versions: Package to version.
        hardware: The device in words.
        calling: How the exported files are called, see `Calling.to_json`; empty in runs of before that.
        files: What exporters wrote; empty in runs of before that.
        tried: Networks that were measured to choose this one, where some were.
        sparse: What single weights that are gone save, where such are; `params` then counts those other than 0.
        full: What the full network is worth on the same test images; None where nobody measured it.
        tested: What the last test showed beside the accuracy; None in runs of before that.
        peak_bytes: Most memory that the process had taken when the report was written; None where nobody asked.

    Raises:
        StampError: If a count or the accuracy is out of range.
    """

    method: str
    backbone: str
    dataset: str
    seed: int
    test_accuracy: float
    params: int
    full_params: int
    flops: int
    full_flops: int
    seconds: float
    activation_bytes: int | None = None
    full_activation_bytes: int | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    dollars_per_hour: float | None = None
    speed: Sequence[SpeedRow] = ()
    layers: Sequence[LayerRow] = ()
    groups: Sequence[GroupRow] = ()
    curve: Sequence[EpochRecord] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[HistoryEntry, ...] = ()
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: str = ""
    calling: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[ExportedFile, ...] = ()
    tried: tuple[Tried, ...] = ()
    sparse: SparseSize | None = None
    full: FullAccuracy | None = None
    tested: Tested | None = None
    peak_bytes: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.test_accuracy <= 1.0:
            raise StampError(f"test_accuracy must be in [0, 1], but is {self.test_accuracy}; give a share.")
        for name in ("params", "full_params", "flops", "full_flops"):
            if (count := getattr(self, name)) < 1:
                raise StampError(f"{name} must be at least 1, but is {count}; count the network.")
        if not self.history:
            object.__setattr__(self, "history", (self._only_step(),))
        for name in ("speed", "layers", "groups", "curve"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def _only_step(self) -> HistoryEntry:
        """Return the step of a report that keeps no history, as those of before did not."""
        return HistoryEntry(
            step="prune",
            command=self.command,
            dataset=self.dataset,
            path=None,
            digest=None,
            train_images=self.details.get("train_images"),
            test_images=self.details.get("test_images"),
            test_accuracy=self.test_accuracy,
            epochs=self.curve[-1].epoch if self.curve else self.details.get("epochs", 0),
            time="",
            seconds=self.seconds,
        )

    @property
    def searches(self) -> tuple[tuple[Tried, ...], ...]:
        """What was tried, by search: first between ways, which have names, then between sizes, which have none."""
        parts = (tuple(one for one in self.tried if bool(one.name) is has_name) for has_name in (True, False))
        return tuple(part for part in parts if part)

    @property
    def has_saved_model(self) -> bool:
        """Whether a SavedModel is among the files; runs that do not say so have one."""
        return not self.files or any(file.format == "saved-model" for file in self.files)

    @property
    def has_other_files(self) -> bool:
        """Whether a file of another runtime's format is among them."""
        return any(parts_of(file.format)[0] in OTHER_FORMATS for file in self.files)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the accuracy on any number of such images lies, with 95 % certainty; None of an unknown number."""
        return self.history[-1].interval

    @property
    def params_fraction(self) -> float:
        """P: remaining parameters / all, in (0, 1]."""
        return self.params / self.full_params

    @property
    def flops_fraction(self) -> float:
        """Remaining multiply-adds / all, in (0, 1]."""
        return self.flops / self.full_flops

    @property
    def memory_fraction(self) -> float | None:
        """Remaining activation memory / all, in (0, 1]; None if nobody counted."""
        if not self.activation_bytes or not self.full_activation_bytes:
            return None
        return self.activation_bytes / self.full_activation_bytes

    @property
    def flops_speed_up(self) -> float:
        """Full / pruned multiply-adds."""
        return self.full_flops / self.flops

    @property
    def expense(self) -> float | None:
        """Dollars for the target time, or None without a price."""
        if self.dollars_per_hour is None:
            return None
        return self.dollars_per_hour * self.seconds / SECONDS_PER_HOUR

    def to_json(self) -> dict[str, Any]:
        """Return the content of `report.json`: the headline figures first, derived ones included."""
        headline = ("method", "backbone", "dataset", "seed", "test_accuracy")
        derived = (
            *("interval", "params_fraction", "flops_fraction", "flops_speed_up", "memory_fraction"),
            *("seconds", "expense"),
        )
        content = {name: getattr(self, name) for name in headline + derived}
        content |= {name: value for name, value in asdict(self).items() if name not in content}
        for row, record in zip(content["speed"], self.speed, strict=True):
            row["ratio"] = record.ratio
        return finite(content)
