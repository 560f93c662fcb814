"""From a mask to a network that is ready for its target: sliced, its statistics and head measured on its images."""

from __future__ import annotations

import keras

from stamp_tf.backbones.head import head_layer
from stamp_tf.channel_mask import ChannelMask
from stamp_tf.channels import slice_model
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.measure.phases import clock
from stamp_tf.on_step import OnPhase
from stamp_tf.plugin_code import of_the_caller
from stamp_tf.pruning.pruner import PruningProblem
from stamp_tf.pruning.target import Target, first_head
from stamp_tf.refit.images import refit_images
from stamp_tf.refit.refit import refit
from stamp_tf.training.fit_head import fit_head
from stamp_tf.training.statistics import recalibrate_statistics, statistics_images


def sliced_network(
    target: Target, values: ChannelMask, *, structure_only: bool = False, check: bool = False
) -> keras.Model:
    """Return the smaller network of a mask.

    Args:
        target: With the full network; it stays as it is.
        values: Per channel what survivors are multiplied by, 0 for those that go, `[C]`.
        structure_only: Whether it gets fresh weights.
        check: Whether to compare its outputs with the masked network's, see `slice_model`.
    """
    small = slice_model(target.model, target.reference.channel_map, values, check=check)
    # Slicing rebuilt the layers, so a clone of them draws fresh weights.
    return drawn_anew(small) if structure_only else small


def make_ready(
    model: keras.Model,
    target: Target,
    *,
    seed: int,
    head: str | None = None,
    is_drawn: bool = False,
    refit_mask: ChannelMask | None = None,
    times: dict[str, float] | None = None,
    on_step: OnPhase | None = None,
) -> None:
    """Fit a network to the target's images without a gradient step: kernels, statistics, head.

    Args:
        model: The network, full or sliced; it is changed.
        target: What for.
        seed: Decides which images kernels and statistics are measured on.
        head: `logistic` or `ridge`, which are fitted, `random`, or `keep`; None is the one that is usually fitted.
        is_drawn: Whether its weights are fresh, so that a random head is there already.
        refit_mask: What was cut, `[C]`, where its kernels are refitted to stand in for the full network's; its
            statistics are right then. None leaves the kernels.
        times: Gets the seconds of the phases `refit`, `statistics` and `head`.
        on_step: Called with (phase, layers refitted, all layers, figures).
    """
    times = {} if times is None else times
    with clock(times, "refit"):
        if refit_mask is not None:
            report = None if on_step is None else of_the_caller(on_step)
            refit(
                target.model,
                model,
                target.reference.channel_map,
                mask=refit_mask,
                batches=refit_images(target.dataset, target.normalization, seed=seed),
                seed=seed,
                on_step=None if report is None else lambda done, total: report("refit", done, total, {}),
            )
    with clock(times, "statistics"):
        if refit_mask is None:
            images = statistics_images(target.dataset.train, target.normalization, seed=seed)
            recalibrate_statistics(model, images)
    with clock(times, "head"):
        if head in (None, "logistic", "ridge"):
            fit_head(
                model,
                target.dataset.train,
                normalization=target.normalization,
                end=target.reference.backbone.end,
                method=head,
            )
        elif head == "random" and not is_drawn:
            _draw_head(model)


def make_problem_ready(problem: PruningProblem) -> None:
    """Fit the full network of a problem to its target: what a method begins with that trains the reference's weights.

    Args:
        problem: Statistics and head of its `model` are changed.
    """
    target = Target(
        reference=problem.reference,
        dataset=problem.dataset,
        normalization=problem.normalization,
        model=problem.model,
        cost=problem.cost,
    )
    make_ready(problem.model, target, seed=problem.seed, head=first_head(problem.config, problem.reference))


def drawn_anew(model: keras.Model) -> keras.Model:
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
