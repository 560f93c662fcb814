"""A data set as one reference meets it: checked against it, and the full network with the target's head."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import keras

from stamp_tf.channels import Budget, CostModel
from stamp_tf.data import DataSet, Normalization, random_part
from stamp_tf.data.doubt import doubt_of_reference
from stamp_tf.errors import StampError
from stamp_tf.on_step import OnStep
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.head_order import in_order_of_head
from stamp_tf.pruning.kept import Kept
from stamp_tf.pruning.pixel_trial import settle_pixels
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.references.reference import Reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.refit.input_scale import warn_of_scale
from stamp_tf.training.fit_head import usual_head

logger = logging.getLogger(__name__)

_SOME_IMAGES = 64


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is pruned for what.

    Args:
        reference: The reference network with its channels.
        dataset: The target data set.
        normalization: Of the target's images.
        model: The full network for the target's classes, holding the reference's weights where they fit.
        cost: Cost of `model`; the channels are those of `reference`.
        kept: What was found out about both.
    """

    reference: Reference
    dataset: DataSet
    normalization: Normalization
    model: keras.Model
    cost: CostModel
    kept: Kept = field(default_factory=Kept)

    @classmethod
    def of(
        cls,
        reference: Reference,
        dataset: DataSet,
        *,
        normalization: Normalization | None = None,
        kept: Kept | None = None,
    ) -> Target:
        """Build the full network for a data set.

        Args:
            reference: Whose weights it gets.
            dataset: The target.
            normalization: Of its images; None leaves it to the reference.
            kept: What was found out about both; None for nothing yet.
        """
        model = reference.backbone.build(num_classes=dataset.num_classes)
        transfer_weights(reference.model, model)
        return cls(
            reference=reference,
            dataset=dataset,
            normalization=normalization or reference.normalization_for(dataset.train),
            model=model,
            cost=CostModel(model, reference.channel_map),
            kept=kept or Kept(),
        )

    def seen_as(self, dataset: DataSet, name: str) -> Target:
        """Return the same network for some of the images.

        Args:
            dataset: Those images.
            name: What they are called among what is kept.
        """
        return replace(self, dataset=dataset, kept=self.kept.part(name))

    def problem(
        self, config: PruneConfig, *, budget: Budget, on_step: OnStep | None = None
    ) -> PruningProblem:
        """Return what the method of a run gets to look at.

        Args:
            config: Options of the run; seed and options of the method are among them.
            budget: The limits.
            on_step: Called with (steps done, all steps, figures).
        """
        return PruningProblem(
            reference=self.reference,
            model=self.model,
            cost=self.cost,
            dataset=self.dataset,
            normalization=self.normalization,
            budget=budget,
            seed=config.seed,
            options=config.options,
            config=config,
            on_step=on_step,
            kept=self.kept.part(config.method),
        )


def settle_target(reference: Reference, dataset: DataSet, config: PruneConfig) -> tuple[Reference, DataSet]:
    """Check a data set against a reference, and settle what only both together tell.

    Args:
        reference: What is pruned.
        dataset: What for.
        config: The options; whether the network's own outputs count is among them.

    Returns:
        The reference with the scale of pixels that its images have, and the data set with its classes in the order
        of the network's own outputs where these count.

    Raises:
        StampError: If images or classes do not fit.
    """
    reference.check_images(dataset)
    fitted = f"use `head={usual_head(reference.backbone.end)}`"
    if config.head == "keep" and dataset.num_classes != reference.backbone.num_classes:
        raise StampError(
            f"`head=keep` needs the classes of the network ({reference.backbone.num_classes}), but `dataset` has "
            f"{dataset.num_classes}; {fitted}."
        )
    if config.head == "logistic" and reference.backbone.end.is_per_class:
        raise StampError(
            f"`head=logistic` needs classes that exclude each other, but the network ends in "
            f"{reference.backbone.end.in_words}; use `head=ridge`."
        )
    if doubt := doubt_of_reference(reference.description, dataset):
        logger.warning("%s", doubt)
    reference = settle_pixels(reference, dataset, seed=config.seed)
    if reference.pixels is not None:
        some = random_part(dataset.train, _SOME_IMAGES, seed=config.seed).images
        warn_of_scale(
            reference.model,
            reference.normalization_for(dataset.train)(some),
            subject=f"Pixels at the scale {reference.pixels.scale}",
            remedy="name the one that it was trained on with `pixels`",
        )
    if option := _own_head(config, reference):
        remedy = fitted if option == "`head=keep`" else f"leave {option} out"
        dataset = in_order_of_head(dataset, reference, option=option, remedy=remedy, seed=config.seed)
    return reference, dataset


def first_head(config: PruneConfig, reference: Reference) -> str:
    """Return where the last layer's first values come from: `logistic`, `ridge`, `random` or `keep`.

    Args:
        config: The options.
        reference: What is pruned.
    """
    if config.head is not None:
        return config.head
    if config.structure_only:
        return "random"
    return "keep" if own_head(None, reference) else usual_head(reference.backbone.end)


def own_head(head: str | None, reference: Reference) -> bool:
    """Return whether the full network answers with the last layer that it has.

    Args:
        head: The option of pruning; what it says of a smaller network's first values matters where it is `keep`.
        reference: Somebody's own model may end in something to which no head is fitted.
    """
    return head == "keep" or bool(reference.backbone.architecture and not reference.backbone.head)


def refits(config: PruneConfig, reference: Reference) -> bool:
    """Return whether kernels behind the cut are refitted on the target's images.

    Args:
        config: The options.
        reference: What is pruned.
    """
    return not config.structure_only and is_refit_due(config.refit, reference)


def is_refit_due(refit: bool | None, reference: Reference) -> bool:
    """Return whether the kernels of what is cut from a reference are refitted.

    Args:
        refit: What was asked for.
        reference: Weights that were trained at budgets expect the cut; others are refitted where nothing was said.
    """
    return reference.scores is None if refit is None else refit


def _own_head(config: PruneConfig, reference: Reference) -> str | None:
    """Return the option by which the network's own outputs count, or None if nothing asks for them."""
    if first_head(config, reference) == "keep":
        return "`head=keep`"
    if config.finetune.distill and own_head(config.head, reference):
        return "`distill`"
    return "`options.head=own`" if config.options.get("head") == "own" else None
