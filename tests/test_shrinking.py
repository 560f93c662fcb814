"""Any network, any task, no labels: smaller, and nearly as before on inputs like those that it was shown."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import stamp_tf
from stamp_tf.baselines.l1 import l1_norms
from stamp_tf.baselines.uniform import uniform_scores
from stamp_tf.channels import Budget, ChannelCut, CostModel, slice_model, trace_channels
from stamp_tf.errors import StampError


def smooth(count: int, seed: int) -> np.ndarray:
    """Images of a few waves, in which neighbouring pixels are alike, as in photographs."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 3, 12)] * 2, indexing="ij"), axis=-1)
    waves = rng.normal(size=(count, 4, 2)) @ grid.reshape(-1, 2).T + rng.uniform(0, 6, (count, 4, 1))
    mixed = np.einsum("nwp,nwc->npc", np.sin(waves), rng.normal(size=(count, 4, 3)))
    return mixed.reshape(count, 12, 12, 3).astype("float32")


def encoder() -> keras.Model:
    """A network without classes: it draws an image from what it has seen of it."""
    keras.utils.set_random_seed(5)
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", name="down1")(image)
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="down2")(x)
    x = layers.Conv2DTranspose(12, 3, strides=2, padding="same", activation="relu", name="up1")(x)
    return keras.Model(image, layers.Conv2DTranspose(3, 3, strides=2, padding="same", name="up2")(x))


def missing(model: keras.Model, small: keras.Model, images: Any) -> float:
    wanted = np.asarray(model(images))
    return float(np.square(np.asarray(small(images)) - wanted).mean() / wanted.var())


@pytest.mark.parametrize(("method", "most"), [("remaining-error", 0.2), ("l1", 0.4)])
def test_a_network_of_any_task_keeps_its_answers(method: str, most: float) -> None:
    model = encoder()
    small = stamp_tf.shrink(model, smooth(100, 0), max_flops=0.5, method=method)
    channel_map = trace_channels(model)
    cost = CostModel(model, channel_map)
    assert small.count_params() < 0.8 * model.count_params()
    assert CostModel(small, trace_channels(small)).flops(np.ones(trace_channels(small).num_channels)) <= (
        0.5 * cost.flops(np.ones(channel_map.num_channels))
    )
    # On images that it has not seen.
    lost = missing(model, small, smooth(50, 1))
    assert lost < most


def test_a_shortcut_without_parameters_is_cut_and_refitted(tmp_path: Path) -> None:
    keras.utils.set_random_seed(5)
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="stem")(image)
    y = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="within")(x)
    short = ops.pad(x[:, ::2, ::2], [[0, 0], [0, 0], [0, 0], [4, 4]])
    x = layers.ReLU()(layers.Add()([layers.Conv2D(16, 3, padding="same", name="branch")(y), short]))
    model = keras.Model(image, layers.Dense(6, name="answer")(layers.Flatten()(x)))
    small = stamp_tf.shrink(model, smooth(100, 0), max_flops=0.5, method="l1")
    assert small.get_layer("stem").filters < 8
    assert small.get_layer("branch").filters < 16
    channel_map = trace_channels(model)
    scores = uniform_scores(channel_map, l1_norms(model, channel_map))
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    mask = cut.meet(scores, Budget(max_flops=0.5))
    assert missing(model, small, smooth(50, 1)) < 0.7 * missing(
        model, slice_model(model, channel_map, mask), smooth(50, 1)
    )
    small.save(tmp_path / "small.keras")
    loaded = keras.saving.load_model(tmp_path / "small.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(smooth(5, 1)), small(smooth(5, 1)))


def test_inputs_like_those_to_come_serve_it_best() -> None:
    model = encoder()
    noise = np.random.default_rng(0).normal(size=(100, 12, 12, 3)).astype("float32")
    own, other = (stamp_tf.shrink(model, inputs, max_flops=0.4) for inputs in (smooth(100, 0), noise))
    assert missing(model, own, smooth(50, 1)) < 0.7 * missing(model, other, smooth(50, 1))


def test_the_model_is_not_changed_and_the_result_is_the_same_again() -> None:
    model = encoder()
    before = model.get_weights()
    first, second = (stamp_tf.shrink(model, smooth(60, 0), max_flops=0.5) for _ in range(2))
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_is_compiled_as_the_old_one_was() -> None:
    model = encoder()
    model.compile("adam", "mse")
    small = stamp_tf.shrink(model, smooth(30, 0), keep_params=0.6)
    assert small.compiled
    small.fit(smooth(8, 0), np.zeros((8, 12, 12, 3), "float32"), verbose=0)


def test_a_pipeline_with_labels() -> None:
    import tensorflow as tf

    images = smooth(64, 0)
    pipeline = tf.data.Dataset.from_tensor_slices((images, np.zeros(64))).batch(32)
    small = stamp_tf.shrink(encoder(), pipeline, max_flops=0.5)
    by_arrays = stamp_tf.shrink(encoder(), images, max_flops=0.5)
    for one, other in zip(small.get_weights(), by_arrays.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_several_inputs_and_outputs_by_name() -> None:
    inputs = {name: keras.Input((5,), name=name) for name in ("left", "right")}
    x = layers.Dense(16, activation="relu", name="first")(layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, {"sum": layers.Dense(2)(x), "rest": layers.Dense(1)(x)})
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=(200, 5)).astype("float32") for name in inputs}
    small = stamp_tf.shrink(model, values, keep_params=0.6)
    assert small.count_params() <= 0.6 * model.count_params()
    assert {name: tuple(value.shape) for name, value in small(values).items()} == {
        "sum": (200, 2),
        "rest": (200, 1),
    }


def test_few_inputs_are_named(caplog: pytest.LogCaptureFixture) -> None:
    stamp_tf.shrink(encoder(), smooth(2, 0), max_flops=0.5)
    assert "2 inputs are few: kernels may suit them and no others" in caplog.text


def test_phases_are_told() -> None:
    told: list[str] = []
    stamp_tf.shrink(encoder(), smooth(20, 0), max_flops=0.5, on_step=lambda phase, *rest: told.append(phase))
    assert told == ["prune"] * 3 + ["refit"] * 3


def test_steps_towards_the_outputs_come_nearer_than_the_refit_alone() -> None:
    model, told, losses = encoder(), [], []
    for num_steps in (0, 40):
        small = stamp_tf.shrink(
            model,
            smooth(100, 0),
            max_flops=0.5,
            method="l1",
            distill_steps=num_steps,
            on_step=lambda phase, *rest: told.append(phase),
        )
        losses.append(missing(model, small, smooth(50, 1)))
    assert losses[1] < 0.9 * losses[0]
    assert told.count("distill") == 40


WRONG = {
    "no budget": ({}, "shrink needs a budget, but got none"),
    "out of reach": ({"max_flops": 1e-6}, "must allow the smallest reachable network"),
    "nothing to remove": ({"max_flops": 1.0}, "Pruning must remove something"),
    "unknown": ({"max_flop": 0.5}, "There is no argument 'max_flop'.*Did you mean 'max_flops'"),
    "method": ({"max_flops": 0.5, "method": "taylor"}, "method must be 'remaining-error' or 'l1'"),
    "pattern": ({"max_flops": 0.5, "keep": "nosuch*"}, "nosuch"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_are_refused_before_any_work(name: str) -> None:
    options, message = WRONG[name]
    with pytest.raises(StampError, match=message):
        stamp_tf.shrink(encoder(), smooth(10, 0), **options)


def test_weights_that_are_not_finite_are_refused() -> None:
    model = encoder()
    model.get_layer("up1").bias.assign(np.full(12, np.nan))
    with pytest.raises(StampError, match="Weights of the model"):
        stamp_tf.shrink(model, smooth(10, 0), max_flops=0.5)
