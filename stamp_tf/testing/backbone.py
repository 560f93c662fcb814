"""What every backbone must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import ops

from stamp_tf.backend import compile_step
from stamp_tf.channels import ChannelCut, CostModel, slice_model, trace_channels
from stamp_tf.channels.graph import flat_layers
from stamp_tf.testing.masked_and_sliced import enliven, reachable, require_masked_equals_sliced
from stamp_tf.testing.require import (
    array,
    has_float64,
    precision,
    require,
    require_close,
    require_equal,
    require_finite,
    require_gradients,
    try_all,
)

BackboneMaker = Callable[[tuple[int, int, int], int], keras.Model]
SHAPE = (32, 32, 3)


def check_backbone(build: BackboneMaker) -> None:
    """Hold a backbone to its contract, in about half a minute for a narrow network.

    Args:
        build: The backbone, narrow: from an image shape (H, W, D) and a number of classes to a functional model.

    Raises:
        AssertionError: If it breaks a rule; the message says which.

    Example:
        >>> check_backbone(functools.partial(separable, width=0.25))
    """
    try_all(PROPERTIES, build)


def takes_any_image_from_32_pixels_and_any_number_of_classes(build: BackboneMaker) -> None:
    """Whatever the data set, a network comes out that fits."""
    for shape, num_classes in (((32, 32, 3), 43), ((48, 40, 3), 2), ((33, 65, 1), 10)):
        model = build(shape, num_classes)
        rule = f"A backbone must map images {list(shape)} to {num_classes} logits"
        require_equal((model.input_shape, model.output_shape), ((None, *shape), (None, num_classes)), rule)
        require_finite(model(_images(shape)), f"{rule}, finite ones")


def ends_in_logits(build: BackboneMaker) -> None:
    """The loss and the closed-form head take logits."""
    outputs = array(enliven(build(SHAPE, 10))(_images()))
    rule = "A backbone must end in logits"
    require(outputs.min() < 0, rule, "its outputs are never negative")
    require(np.abs(outputs.sum(axis=1) - 1).max() > 1e-2, rule, "its outputs add up to 1, as of a softmax")


def is_built_the_same_every_time(build: BackboneMaker) -> None:
    """Checkpoints name weights by path and masks name groups by layer."""
    first, second = build(SHAPE, 10), build(SHAPE, 10)
    rule = "A backbone must name its layers, the same each time"
    require_equal([weight.path for weight in second.weights], [weight.path for weight in first.weights], rule)
    require_equal(trace_channels(second).groups, trace_channels(first).groups, rule)


def is_traced_whole(build: BackboneMaker) -> None:
    """Nothing is kept because the tracer does not know its way through."""
    channel_map = trace_channels(build(SHAPE, 10))
    rule = "All channels of a backbone must be removable"
    require(not channel_map.kept_whole, rule, f"some are kept whole: {channel_map.kept_whole}")
    require(channel_map.num_channels > 0, rule, "none is")
    require_equal(len(channel_map.probes), channel_map.num_channels, "Each channel must have a probe")


def gives_the_same_masked_and_sliced(build: BackboneMaker) -> None:
    """What training under masks sees is what pruning leaves."""
    require_masked_equals_sliced(build(SHAPE, 10), _images(), max_flops=(0.1, 0.25, 0.6))


def gives_the_same_masked_and_sliced_on_batch_statistics(build: BackboneMaker) -> None:
    """In training, too."""
    if not has_float64():
        return
    # In float32 normalising a few nearly constant activations magnifies rounding beyond any fixed bound.
    with precision("float64"):
        require_masked_equals_sliced(
            build(SHAPE, 10),
            _images().astype("float64"),
            max_flops=(0.1, 0.6),
            training=True,
            tolerance=1e-9,
        )


def is_as_plain_when_sliced_and_loads_in_safe_mode(build: BackboneMaker) -> None:
    """A smaller network has no layers but those of the backbone, and is small on disk as well."""
    model = build(SHAPE, 10)
    smaller = _smaller(model)
    known = {type(layer) for layer in flat_layers(model)}
    strange = {type(layer).__name__ for layer in flat_layers(smaller)} - {kind.__name__ for kind in known}
    require(not strange, "A smaller network must be made of the backbone's own layers", f"it has {strange}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "smaller.keras")
        smaller.save(path)
        loaded = keras.saving.load_model(path, safe_mode=True)
    require_close(loaded(_images()), smaller(_images()), "A saved smaller network must give the same")
    fraction = loaded.count_params() / model.count_params()
    require(fraction < 0.35, "A network at 0.3 of the parameters must have that many", f"has {fraction:.2f}")


def costs_what_the_sliced_network_costs(build: BackboneMaker) -> None:
    """Counts under a mask are those of the network that is made."""
    model = build(SHAPE, 10)
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    rng = np.random.default_rng(0)
    for keep_params, max_flops in ((0.5, None), (None, 0.2), (0.3, 0.3)):
        scores = rng.normal(size=cut.num_channels)
        mask = cut.meet(scores, reachable(cut, keep_params=keep_params, max_flops=max_flops))
        smaller = slice_model(model, channel_map, mask)
        of_smaller = CostModel(smaller, trace_channels(smaller))
        full = np.ones(of_smaller.num_channels)
        rule = "The cost under a mask must be that of the smaller network"
        require_equal(cut.cost_model.table(mask), of_smaller.table(full), rule)
        counted = sum(int(np.prod(weight.shape)) for weight in smaller.trainable_weights)
        require_equal(cut.cost_model.parameters(mask), counted, rule)
        require_equal(cut.cost_model.flops(mask), of_smaller.flops(full), rule)


def is_cut_alike_in_training_and_in_pruning(build: BackboneMaker) -> None:
    """The compiled cut of a training step keeps the channels that pruning keeps."""
    model = build(SHAPE, 10)
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    compiled = compile_step(cut.straight_through, [])
    rng = np.random.default_rng(0)
    for max_flops in (0.08, 0.3, 0.77, 1.0):
        scores = rng.normal(size=cut.num_channels).astype("float32")
        budget = reachable(cut, max_flops=max_flops)
        limits = ops.convert_to_tensor(np.array(budget.of_training, "float32"))
        mask = compiled(ops.convert_to_tensor(scores), limits)
        expected = cut.meet(scores, budget)
        require_close(mask, expected, "Training and pruning must cut alike", tolerance=1e-6)


def passes_gradients_to_every_weight(build: BackboneMaker) -> None:
    """Nothing on the way stops them."""
    model = enliven(build(SHAPE, 10))
    statistics = [variable.value for variable in model.non_trainable_variables]

    def loss(values: list[object]) -> object:
        outputs, _ = model.stateless_call(values, statistics, _images(), training=True)
        return ops.sum(outputs**2)

    require_gradients(model, loss, rule="Gradients must reach every weight of a backbone")


def gives_exact_logits_under_mixed_precision(build: BackboneMaker) -> None:
    """The loss is computed in single precision."""
    with precision("mixed_bfloat16"):
        model = build(SHAPE, 10)
        computed = keras.backend.standardize_dtype(model(_images()).dtype)
    rule = "Under mixed precision a backbone must compute in half"
    require_equal(model.layers[1].compute_dtype, "bfloat16", rule)
    require_equal(computed, "float32", "Under mixed precision logits must not be in half")


def computes_in_float64_where_that_is_asked(build: BackboneMaker) -> None:
    """No type is written into the network."""
    if not has_float64():
        return
    with precision("float64"):
        model = build(SHAPE, 10)
        computed = keras.backend.standardize_dtype(model(_images().astype("float64")).dtype)
    rule = "A backbone must be of float64 where Keras is set to it"
    require_equal(
        {str(weight.dtype) for weight in model.weights if "seed" not in weight.path}, {"float64"}, rule
    )
    require_equal(computed, "float64", rule)


def _images(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *shape)).astype("float32")


def _smaller(model: keras.Model) -> keras.Model:
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    mask = cut.meet(np.random.default_rng(0).normal(size=cut.num_channels), reachable(cut, keep_params=0.3))
    return slice_model(model, channel_map, mask)


PROPERTIES = (
    takes_any_image_from_32_pixels_and_any_number_of_classes,
    ends_in_logits,
    is_built_the_same_every_time,
    is_traced_whole,
    gives_the_same_masked_and_sliced,
    gives_the_same_masked_and_sliced_on_batch_statistics,
    is_as_plain_when_sliced_and_loads_in_safe_mode,
    costs_what_the_sliced_network_costs,
    is_cut_alike_in_training_and_in_pruning,
    passes_gradients_to_every_weight,
    gives_exact_logits_under_mixed_precision,
    computes_in_float64_where_that_is_asked,
)
