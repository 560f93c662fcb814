"""Prune a reference network for a data set: propose, cut, slice, recalibrate, fit the head, fine-tune."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from stamp_tf.arguments import as_path, check_arguments
from stamp_tf.backbones.end import put_back
from stamp_tf.backbones.head import head_layer
from stamp_tf.channels import ChannelCut, CostModel, slice_model
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.data import DataSet, Normalization, as_dataset
from stamp_tf.data.doubt import doubt_of_reference
from stamp_tf.data.load import check_dataset_type
from stamp_tf.errors import DivergenceError, StampError
from stamp_tf.fields import overridden
from stamp_tf.plugin_code import PluginCode, of_the_caller
from stamp_tf.pruning.choose import choose_pruner
from stamp_tf.pruning.config import PruneConfig
from stamp_tf.pruning.cut_proposal import cut_proposal
from stamp_tf.pruning.head_order import in_order_of_head
from stamp_tf.pruning.pixel_trial import settle_pixels
from stamp_tf.pruning.proposals import propose
from stamp_tf.pruning.pruner import PruningTask
from stamp_tf.pruning.saved_mask import load_mask, save_mask
from stamp_tf.references.find import find_reference
from stamp_tf.references.reference import Reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.training.evaluate import evaluate_accuracy
from stamp_tf.training.finetune import EpochRecord, finetune
from stamp_tf.training.head import fit_head
from stamp_tf.training.statistics import recalibrate_statistics, statistics_images

if TYPE_CHECKING:
    from stamp_tf.measure.timing import Timing

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int, Mapping[str, float]], None]


@dataclass(frozen=True)
class PruneResult:
    """A pruned network and how it came about.

    Args:
        model: The smaller network, from normalised images to logits, or to what your own model ended in.
        mask: 0/1 per channel of the full network, `[C]`.
        reference: What it was cut from; its channel map numbers the channels.
        cost: Cost of the full network with the target's head.
        dataset: The target.
        normalization: Of the target's images.
        config: The options.
        test_accuracy: At the end.
        records: Fine-tuning by epoch.
        times: Seconds by phase; evaluation is not part of fine-tuning.
        timing: Measured latency of the network, where it was limited.
    """

    model: keras.Model
    mask: np.ndarray
    reference: Reference
    cost: CostModel
    dataset: DataSet
    normalization: Normalization
    config: PruneConfig
    test_accuracy: float
    records: tuple[EpochRecord, ...]
    times: Mapping[str, float]
    timing: Timing | None = None

    @property
    def params_fraction(self) -> float:
        """Remaining parameters / all."""
        return float(self.cost.exact_fractions(self.mask)[0])

    @property
    def flops_fraction(self) -> float:
        """Remaining multiply-adds / all."""
        return float(self.cost.exact_fractions(self.mask)[1])

    @property
    def seconds(self) -> float:
        """Target time: from the loaded network to the fine-tuned one, without evaluation."""
        return sum(self.times[phase] for phase in ("propose", "slice", "statistics", "head", "finetune"))


def prune(
    dataset: DataSet | str,
    reference: Reference | keras.Model | str | Path | None = None,
    *,
    backbone: str = "vgg19",
    pixels: str | None = None,
    config: PruneConfig | None = None,
    checkpoints: str | Path | None = None,
    resume: bool = True,
    on_step: Progress | None = None,
    **overrides: Any,
) -> PruneResult:
    """Make the physically smaller, fine-tuned network for a data set.

    Args:
        dataset: The target, or its name as after `--dataset`.
        reference: A reference, a run directory or file of one; your own model or its `.keras` file, for a method
            that needs no meta-training; None takes the bundled one.
        backbone: Which bundled reference.
        pixels: What the images of your own model are scaled to, such as `0:1`; see `reference_of_model`.
        config: Options.
        checkpoints: Where fine-tuning keeps its state; None keeps none.
        resume: Whether to go on from the mask and the state that lie in `checkpoints`, if they do.
        on_step: Called with (phase, steps done, all steps, figures).
        **overrides: Fields of `PruneConfig`, such as `max_flops=0.25`.

    Returns:
        The network and its figures.

    Raises:
        StampError: If the budget cannot be met, nothing was removed, or an option or input does not fit.

    Example:
        >>> result = stamp_tf.prune("digits", max_flops=0.25)
        >>> result.test_accuracy, result.flops_fraction
    """
    config = overridden(config, overrides, kind=PruneConfig)
    check_dataset_type(dataset)
    check_arguments(
        backbone=(backbone, str),
        pixels=(pixels, str | None),
        resume=(resume, bool),
        on_step=(on_step, Callable | None),
    )
    checkpoints = None if checkpoints is None else as_path(checkpoints, "checkpoints")
    pruner = choose_pruner(config)
    plugin = PluginCode("stamp_tf.pruners", config.method)
    times: dict[str, float] = {}
    with _clock(times, "load"):
        reference = find_reference(reference, backbone=backbone, pixels=pixels)
        dataset = as_dataset(dataset, image_shape=reference.backbone.input_shape, seed=config.seed)
    if tuple(dataset.image_shape) != tuple(reference.backbone.input_shape):
        raise StampError(
            f"--dataset must have the reference's images {reference.backbone.input_shape}, but has "
            f"{dataset.image_shape}; load it with that image_shape."
        )
    if config.head == "keep" and dataset.num_classes != reference.backbone.num_classes:
        raise StampError(
            f"--head keep needs the classes of the network ({reference.backbone.num_classes}), but --dataset has "
            f"{dataset.num_classes}; use --head ridge."
        )
    if doubt := doubt_of_reference(reference.description, dataset):
        logger.warning("%s", doubt)
    reference = settle_pixels(reference, dataset, seed=config.seed)
    if option := _own_head(config, reference):
        remedy = "use --head ridge" if option == "--head keep" else f"leave {option} out"
        dataset = in_order_of_head(dataset, reference, option=option, remedy=remedy, seed=config.seed)
    keras.utils.set_random_seed(config.seed)
    normalization = reference.normalization_for(dataset.train)
    model = reference.backbone.build(num_classes=dataset.num_classes)
    transfer_weights(reference.model, model)
    cost = CostModel(model, reference.channel_map)
    task = PruningTask(
        reference,
        model,
        cost,
        dataset,
        normalization,
        config.budget,
        seed=config.seed,
        options=config.options,
        on_step=None
        if on_step is None
        else of_the_caller(lambda done, total, figures: on_step("prune", done, total, figures)),
    )
    # Patterns that match nothing are refused before any work is done.
    cut = ChannelCut(reference.channel_map, cost, rules=config.rules)
    saved = load_mask(checkpoints, cut.num_channels) if checkpoints is not None and resume else None
    is_trained = saved is not None and saved.is_trained
    fold = None
    if saved is not None and is_trained:
        # A state of fine-tuning holds every weight of the network that this mask leaves.
        mask, timing, times = saved.mask, saved.timing, {**saved.times, "load": times["load"]}
    else:
        with _clock(times, "propose"):
            proposal = propose(plugin, pruner, task)
            fold = proposal.fold
            if saved is None:
                mask, timing = cut_proposal(proposal, cut, config, model=model, on_step=on_step)
            else:
                mask, timing = saved.mask, saved.timing
    with _clock(times, "slice"):
        values = mask if fold is None else mask * fold
        small = slice_model(model, reference.channel_map, values, check=True)
        if config.structure_only:
            # Slicing rebuilt the layers, so a clone of them draws fresh weights.
            small = _drawn_anew(small)
    with _clock(times, "statistics"):
        if not is_trained:
            recalibrate_statistics(small, statistics_images(dataset.train, normalization, seed=config.seed))
    with _clock(times, "head"):
        head = "keep" if is_trained else _first_head(config, reference)
        if head == "ridge":
            fit_head(small, dataset.train, normalization=normalization, end=reference.backbone.end)
        elif head == "random" and not config.structure_only:
            _draw_head(small)
    settings = dataclasses.replace(config.finetune, seed=config.seed).resolved(
        own_model=reference.backbone.architecture is not None
    )
    config = dataclasses.replace(config, finetune=settings)
    phases = dict(times)
    is_kept = checkpoints is None or is_trained

    def on_finetune(done: int, total: int, figures: Mapping[str, float]) -> None:
        nonlocal is_kept
        if on_step is not None:
            on_step("finetune", done, total, figures)
        if not is_kept and checkpoints is not None:
            # Only now, because whoever called may make the folder no sooner.
            save_mask(checkpoints, mask, times=phases, timing=timing)
            is_kept = True

    try:
        records = finetune(
            small,
            dataset,
            normalization=normalization,
            config=settings,
            end=reference.backbone.end,
            checkpoints=checkpoints,
            resume=resume,
            on_step=on_finetune,
        )
    except DivergenceError as error:
        if checkpoints is None:
            raise
        words = "--resume would come to the same step again, so start anew with --overwrite."
        raise DivergenceError(f"{error} {words}") from None
    times["finetune"] = records[-1].seconds
    with _clock(times, "evaluate"):
        accuracy = evaluate_accuracy(small, dataset.test, normalization=normalization)
    return PruneResult(
        put_back(small, reference.backbone.end),
        (mask > 0).astype("float32"),
        reference,
        cost,
        dataset,
        normalization,
        config,
        accuracy,
        tuple(records),
        times,
        timing,
    )


def _first_head(config: PruneConfig, reference: Reference) -> str:
    """Return where the last layer's first values come from."""
    if config.head is not None:
        return config.head
    if config.structure_only:
        return "random"
    # Somebody's own model may end in something that no closed form fits.
    return "keep" if reference.backbone.architecture and not reference.backbone.head else "ridge"


def _own_head(config: PruneConfig, reference: Reference) -> str | None:
    """Return the option by which the network's own outputs count, or None if nothing asks for them."""
    if _first_head(config, reference) == "keep":
        return "--head keep"
    return "--method-option head=own" if config.options.get("head") == "own" else None


def _drawn_anew(model: keras.Model) -> keras.Model:
    """Return the same network with fresh weights; how it scales its pixels is no weight that training finds again."""
    clone = keras.models.clone_model(model)
    for old, new in zip(model.layers, clone.layers, strict=True):
        if isinstance(old, keras.layers.Normalization):
            new.set_weights(old.get_weights())
    derive_state(clone)
    return clone


def _draw_head(model: keras.Model) -> None:
    """Give the last layer fresh values; with as many classes it would have come along with the rest."""
    layer = head_layer(model)
    layer.kernel.assign(layer.kernel_initializer(layer.kernel.shape))
    if layer.use_bias:
        layer.bias.assign(layer.bias_initializer(layer.bias.shape))


@contextmanager
def _clock(times: dict[str, float], phase: str) -> Iterator[None]:
    """Add the seconds that the block takes to a phase."""
    started = time.perf_counter()
    yield
    times[phase] = times.get(phase, 0.0) + time.perf_counter() - started
