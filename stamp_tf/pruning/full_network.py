"""The full network with answers for a data set: what pruning started from, and a teacher of what was cut from it."""

from __future__ import annotations

import keras

from stamp_tf.channel_mask import ChannelMask
from stamp_tf.data import DataSet, Normalization
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.ready import make_ready
from stamp_tf.pruning.target import Target, own_head
from stamp_tf.references.reference import Reference


def full_network(
    reference: Reference,
    dataset: DataSet,
    *,
    normalization: Normalization,
    head: str | None,
    seed: int,
    refits: bool = False,
) -> keras.Model:
    """Return the full network with answers for a data set, from normalised images to logits.

    With the reference's own head it is the reference as it is. Otherwise a head is fitted to the training images,
    and statistics of batch normalisation as those of the smaller network are; a head drawn at random would say nothing.

    Args:
        reference: What was cut; it is not changed.
        dataset: The target, with the labels of the smaller network.
        normalization: Of its images.
        head: The option of pruning.
        seed: Decides which images statistics are measured on.
        refits: Whether the smaller network is refitted, which makes its statistics right and changes no output by it.
    """
    # A network of its own: proposals may have trained the one that was cut.
    target = Target.of(reference, dataset, normalization=normalization)
    if not own_head(head, reference):
        whole = ChannelMask.all_of(target.cost.num_channels) if refits else None
        fitted = None if head == "random" else head
        make_ready(target.model, target, seed=seed, head=fitted, refit_mask=whole)
    return target.model


def teacher_of(target: Target, config: PruneConfig) -> keras.Model:
    """Return the full network that a smaller one learns from, made once.

    Args:
        target: What for.
        config: Options of pruning.
    """
    return target.kept.get(
        "teacher",
        lambda: full_network(
            target.reference,
            target.dataset,
            normalization=target.normalization,
            head=config.head,
            seed=config.seed,
        ),
    )
