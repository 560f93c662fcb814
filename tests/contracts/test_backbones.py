"""What every backbone must do, run over every registered name."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import stamp_registry
from stamp_tf.channels import Budget, ChannelCut, CostModel, mask_kernels, slice_model, trace_channels

GROUP = "stamp_tf.backbones"
WIDTH = 0.08
BackboneMaker = Callable[..., keras.Model]


@pytest.fixture(params=stamp_registry.names(GROUP))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make(name: str) -> BackboneMaker:
    backbone = stamp_registry.load(GROUP, name)
    narrow = {"width": WIDTH} if "width" in inspect.signature(backbone).parameters else {}

    def build(input_shape: tuple[int, int, int] = (32, 32, 3), num_classes: int = 10) -> keras.Model:
        return backbone(input_shape, num_classes, **narrow)

    return build


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def images(shape: tuple[int, int, int] = (32, 32, 3)) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, *shape)).astype("float32")


def enliven(model: keras.Model) -> keras.Model:
    """Move statistics, scales and shifts away from where training starts."""
    rng = np.random.default_rng(1)
    for weight in (*model.trainable_weights, *model.non_trainable_weights):
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if name in ("gamma", "moving_variance"):
            weight.assign(rng.uniform(0.6, 1.4, shape))
        elif len(shape) == 1:
            weight.assign(rng.normal(0, 0.2, shape))
    return model


@pytest.mark.parametrize(
    ("input_shape", "num_classes"), [((32, 32, 3), 43), ((48, 40, 3), 2), ((33, 65, 1), 10)]
)
def test_any_image_from_32_pixels_and_any_number_of_classes(
    make: BackboneMaker, input_shape: tuple[int, int, int], num_classes: int
) -> None:
    model = make(input_shape, num_classes)
    assert model.input_shape == (None, *input_shape)
    assert model.output_shape == (None, num_classes)
    assert np.isfinite(model(images(input_shape))).all()


def test_it_ends_in_logits(make: BackboneMaker) -> None:
    outputs = np.asarray(enliven(make())(images()))
    assert outputs.min() < 0
    assert np.abs(outputs.sum(axis=1) - 1).max() > 1e-2


def test_it_is_built_the_same_every_time(make: BackboneMaker) -> None:
    """Checkpoints name weights by path and masks name groups by layer."""
    first, second = make(), make()
    assert [weight.path for weight in first.weights] == [weight.path for weight in second.weights]
    groups = [trace_channels(model).groups for model in (first, second)]
    assert groups[0] == groups[1]


def test_all_of_it_is_traced(make: BackboneMaker) -> None:
    channel_map = trace_channels(make())
    assert channel_map.num_channels > 0
    assert not channel_map.kept_whole
    assert len(channel_map.probes) == channel_map.num_channels


def assert_masked_equals_sliced(
    model: keras.Model, *, max_flops: float, training: bool, tolerance: float
) -> None:
    channel_map = trace_channels(enliven(model))
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    rng = np.random.default_rng(int(100 * max_flops))
    hard = cut.meet(rng.normal(size=cut.num_channels), Budget(max_flops=max_flops))
    soft = hard * rng.uniform(0.5, 1, hard.shape).astype("float32")
    x = images().astype(keras.config.floatx())
    for mask in (hard, soft):
        smaller = slice_model(model, channel_map, mask)
        masked = mask_kernels(
            channel_map,
            [variable.path for variable in model.trainable_variables],
            [variable.value for variable in model.trainable_variables],
            tf.constant(mask),
        )
        statistics = [variable.value for variable in model.non_trainable_variables]
        of_masked = np.asarray(model.stateless_call(masked, statistics, x, training=training)[0])
        of_smaller = np.asarray(
            smaller.stateless_call(
                [variable.value for variable in smaller.trainable_variables],
                [variable.value for variable in smaller.non_trainable_variables],
                x,
                training=training,
            )[0]
        )
        assert np.abs(of_masked).max() > 1e-2
        np.testing.assert_allclose(of_smaller, of_masked, atol=tolerance, rtol=0)


@pytest.mark.parametrize("max_flops", [0.1, 0.25, 0.6])
def test_masked_and_sliced_networks_agree(make: BackboneMaker, max_flops: float) -> None:
    assert_masked_equals_sliced(make(), max_flops=max_flops, training=False, tolerance=1e-5)


@pytest.mark.parametrize("max_flops", [0.1, 0.6])
@pytest.mark.usefixtures("float64")
def test_masked_and_sliced_networks_agree_on_batch_statistics(make: BackboneMaker, max_flops: float) -> None:
    # In float32 normalising a few nearly constant activations magnifies rounding beyond any fixed bound.
    assert_masked_equals_sliced(make(), max_flops=max_flops, training=True, tolerance=1e-9)


@pytest.mark.slow
def test_masked_and_sliced_networks_agree_at_full_width(name: str) -> None:
    model = stamp_registry.load(GROUP, name)((32, 32, 3), 10)
    for max_flops in (0.1, 0.5):
        assert_masked_equals_sliced(model, max_flops=max_flops, training=False, tolerance=1e-5)


def test_a_sliced_network_is_plain_and_loads_in_safe_mode(make: BackboneMaker, tmp_path: Path) -> None:
    model = make()
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    mask = cut.meet(np.random.default_rng(0).normal(size=cut.num_channels), Budget(keep_params=0.3))
    smaller = slice_model(model, channel_map, mask)
    assert all(type(layer).__module__.startswith("keras.") for layer in smaller._flatten_layers())
    smaller.save(tmp_path / "smaller.keras")
    loaded = keras.saving.load_model(tmp_path / "smaller.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(images()), smaller(images()))
    assert loaded.count_params() < 0.35 * model.count_params()


def test_the_cost_is_that_of_the_sliced_network(make: BackboneMaker) -> None:
    model = make()
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    rng = np.random.default_rng(0)
    for keep_params, max_flops in ((0.5, None), (None, 0.2), (0.3, 0.3)):
        scores = rng.normal(size=cut.num_channels)
        mask = cut.meet(scores, Budget(keep_params=keep_params, max_flops=max_flops))
        smaller = slice_model(model, channel_map, mask)
        of_smaller = CostModel(smaller, trace_channels(smaller))
        full = np.ones(of_smaller.num_channels)
        assert cut.cost_model.table(mask) == of_smaller.table(full)
        assert cut.cost_model.parameters(mask) == sum(
            int(np.prod(weight.shape)) for weight in smaller.trainable_weights
        )
        assert cut.cost_model.flops(mask) == of_smaller.flops(full)


def test_training_and_pruning_cut_alike(make: BackboneMaker) -> None:
    model = make()
    channel_map = trace_channels(model)
    cut = ChannelCut(channel_map, CostModel(model, channel_map))
    compiled = tf.function(cut.straight_through)
    rng = np.random.default_rng(0)
    for max_flops in (0.08, 0.3, 0.77, 1.0):
        scores = rng.normal(size=cut.num_channels).astype("float32")
        mask = compiled(tf.constant(scores), tf.constant([np.inf, max_flops], "float32"))
        np.testing.assert_allclose(mask, cut.meet(scores, Budget(max_flops=max_flops)), atol=1e-6)


def test_gradients_reach_every_weight(make: BackboneMaker) -> None:
    model = enliven(make())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images(), training=True) ** 2)
    weights = model.trainable_variables
    for weight, gradient in zip(weights, tape.gradient(loss, [w.value for w in weights]), strict=True):
        assert gradient is not None, weight.path


@pytest.mark.usefixtures("mixed_precision")
def test_logits_are_exact_under_mixed_precision(make: BackboneMaker) -> None:
    model = make()
    assert model.layers[1].compute_dtype == "bfloat16"
    assert model(images()).dtype == "float32"


@pytest.mark.usefixtures("float64")
def test_it_computes_in_float64_where_that_is_asked(make: BackboneMaker) -> None:
    model = make()
    assert {weight.dtype for weight in model.weights} == {"float64"}
    assert model(images().astype("float64")).dtype == "float64"
