"""What every pruner must do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from functools import cache
from typing import Any, cast

import keras
import numpy as np

from stamp_tf.channels import Budget
from stamp_tf.data import DataSet, ImageSet, Normalization
from stamp_tf.options.finetune import FinetuneConfig
from stamp_tf.options.methods import PrunerOptions
from stamp_tf.options.option import options_of
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.pruner import Proposal, Pruner, PruningProblem
from stamp_tf.references.model_reference import reference_of_model
from stamp_tf.references.reference import Reference
from stamp_tf.references.transfer import transfer_weights
from stamp_tf.testing.closed_images import ClosedImages
from stamp_tf.testing.require import array, require, require_close, require_equal, require_finite, try_all

PrunerMaker = Callable[[], Pruner]


def check_pruner(build: PrunerMaker) -> None:
    """Hold a pruner to its contract, on a network of three convolutions, two of them tied, and images of noise.

    Args:
        build: The class, or a function that returns the pruner.

    Raises:
        AssertionError: If it breaks a rule; the message says which.
    """
    try_all(PROPERTIES, build)


def proposes_a_finite_value_per_channel(build: PrunerMaker) -> None:
    """Scores that a budget cuts, or a finished mask; the test images are not looked at."""
    proposal = proposal_of(build).proposal
    if build().removes == "weights":
        require(
            proposal.weights is not None, "A pruner that removes weights must propose which", "proposed none"
        )
        return
    rule = "A pruner must propose scores or a mask"
    require((proposal.scores is None) != (proposal.mask is None), rule, "proposed both or none")
    values = array(_values(proposal))
    require_equal(values.shape, (_reference().channel_map.num_channels,), f"{rule}, a value per channel")
    require_finite(values, f"{rule} of finite values")


def follows_the_seed(build: PrunerMaker) -> None:
    """The same problem, the same answer."""
    again = build().propose(toy_problem(**_limits(build())))
    rule = "What a pruner proposes must follow from the seed of the problem"
    require_close(_values(again), _values(proposal_of(build).proposal), rule)


def leaves_the_reference_as_it_is(build: PrunerMaker) -> None:
    """Other problems use it too."""
    for path in proposal_of(build).changed:
        require(False, f"A pruner must leave the reference's {path} alone", "changed it")


def fits_the_budget(build: PrunerMaker) -> None:
    """Whatever the scores, the cut meets the limit; a mask of the method's own must meet it by itself."""
    reference = _reference()
    if build().removes == "nothing":
        return
    proposal = proposal_of(build).proposal
    if proposal.weights is not None:
        left = (reference.cost_model.full[0] - proposal.weights.num_removed) / reference.cost_model.full[0]
        require(left <= 0.5, "What a pruner leaves must fit the budget of 0.5 parameters", f"has {left:.3f}")
        return
    values, cut = _values(proposal), reference.cut
    mask = values if proposal.mask is not None else cut.meet(values, Budget(max_flops=0.5))
    fraction = reference.cost_model.exact_fractions(mask)[1]
    require(fraction <= 0.5, "What a pruner leaves must fit the budget of 0.5 FLOPs", f"has {fraction:.3f}")


def declares_its_options(build: PrunerMaker) -> None:
    """Each a field with a default, so that a problem may leave it out."""
    options = build().options
    rule = "options must be a frozen dataclass derived from PrunerOptions"
    require(issubclass(options, PrunerOptions), rule, f"is {options.__name__}")
    unlisted = set(inspect.get_annotations(options)) - set(options_of(options))
    require(not unlisted, rule, f"has {sorted(unlisted)} that are no fields")
    needed = [field.name for field in fields(options) if field.default is field.default_factory is MISSING]
    require(not needed, "Every option must have a default", f"{needed} have none")
    options()


def toy_problem(*, seed: int = 0, **limits: Any) -> PruningProblem:
    """Return a problem at half of the FLOPs, or at other limits.

    Args:
        seed: Of everything random in it.
        **limits: By name.
    """
    reference = _reference()
    dataset = _noise()
    # A network of its own, which a method may train.
    model = reference.backbone.build()
    transfer_weights(reference.model, model)
    return PruningProblem(
        reference=reference,
        model=model,
        cost=reference.cost_model,
        dataset=dataset,
        normalization=Normalization.of(dataset.train),
        budget=Budget(**(limits or {"max_flops": 0.5})),
        seed=seed,
        config=PruneConfig(finetune=FinetuneConfig(epochs=0)),
    )


@dataclass(frozen=True)
class ToyProposal:
    """What a pruner made of the toy problem.

    Args:
        proposal: As it was returned.
        changed: Paths of the weights of the reference that are others afterwards.
    """

    proposal: Proposal
    changed: tuple[str, ...]


@cache
def proposal_of(build: PrunerMaker) -> ToyProposal:
    """Let a pruner propose, once for all its properties: some train a network for it.

    Args:
        build: The class, or a function that returns the pruner.
    """
    weights = _reference().model.weights
    before = [array(weight.value).copy() for weight in weights]
    proposal = build().propose(toy_problem(**_limits(build())))
    pairs = zip(before, weights, strict=True)
    changed = tuple(weight.path for old, weight in pairs if not np.array_equal(array(weight.value), old))
    for old, weight in zip(before, weights, strict=True):
        weight.assign(old)
    return ToyProposal(proposal, changed)


@cache
def _reference() -> Reference:
    inputs = keras.Input((32, 32, 3), name="image")
    x = _block(inputs, 8, index=1, strides=2)
    x = keras.layers.Add(name="add")([x, _block(x, 8, index=2)])
    x = _block(x, 12, index=3, strides=2)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="logits")(x), name="three_convolutions")
    reference = reference_of_model(model, pixels="standardized")
    scores = np.random.default_rng(0).normal(size=reference.channel_map.num_channels)
    return replace(reference, scores=scores)


def _block(x: Any, channels: int, *, index: int, strides: int = 1) -> Any:
    """Return a convolution with batch norm and ReLU behind it."""
    x = keras.layers.Conv2D(channels, 3, strides=strides, padding="same", name=f"conv{index}")(x)
    x = keras.layers.BatchNormalization(name=f"norm{index}")(x)
    return keras.layers.ReLU(name=f"relu{index}")(x)


def _noise() -> DataSet:
    rng = np.random.default_rng(1)

    def images(count: int) -> ImageSet:
        labels = np.arange(count, dtype="int32") % 3
        return ImageSet(
            rng.integers(0, 256, (count, 32, 32, 3), dtype="uint8"), labels, 3, class_names=("a", "b", "c")
        )

    # A method that reads the test images would be judged on what it was chosen by.
    return DataSet("noise", images(12), cast("ImageSet", ClosedImages(images(6))))


def _limits(pruner: Pruner) -> dict[str, Any]:
    """Return half of what a method can limit."""
    return {"keep_params": 0.5} if pruner.removes == "weights" else {"max_flops": 0.5}


def _values(proposal: Proposal) -> np.ndarray:
    if proposal.weights is not None:
        return np.concatenate([kept.ravel() for kept in proposal.weights.kept.values()])
    values = proposal.scores if proposal.mask is None else proposal.mask
    require(values is not None, "A pruner must propose scores or a mask", "proposed none")
    return np.asarray(values)


PROPERTIES = (
    proposes_a_finite_value_per_channel,
    follows_the_seed,
    leaves_the_reference_as_it_is,
    fits_the_budget,
    declares_its_options,
)
