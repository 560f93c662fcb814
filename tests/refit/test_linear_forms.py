"""Layers as products of rows and a matrix, held against what they write."""

import keras
import numpy as np
import pytest
from keras import layers

from stamp_tf.refit.linear_forms import is_affordable, linear_form

LAYERS = {
    "dense": (layers.Dense(5), (7,)),
    "dense along an axis": (layers.Dense(5), (6, 7)),
    "same": (layers.Conv2D(5, 3, padding="same"), (6, 7, 4)),
    "valid": (layers.Conv2D(5, (3, 2)), (6, 7, 4)),
    "strided": (layers.Conv2D(5, 3, strides=2, padding="same"), (7, 8, 4)),
    "strided, uneven": (layers.Conv2D(5, (3, 5), strides=(2, 3), padding="same"), (7, 8, 4)),
    "strided, valid": (layers.Conv2D(5, 3, strides=2), (8, 8, 4)),
    "dilated": (layers.Conv2D(5, 3, dilation_rate=2, padding="same"), (8, 9, 4)),
    "grouped": (layers.Conv2D(6, 3, groups=2, padding="same"), (6, 6, 4)),
    "one dimension": (layers.Conv1D(5, 3, padding="same"), (9, 4)),
    "causal": (layers.Conv1D(5, 3, padding="causal", dilation_rate=2), (9, 4)),
    "three dimensions": (layers.Conv3D(5, 2, strides=2), (4, 5, 6, 3)),
    "transposed": (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), (4, 5, 3)),
    "transposed, valid": (layers.Conv2DTranspose(5, (3, 2), strides=(2, 3)), (4, 5, 3)),
    "transposed, small kernel": (layers.Conv2DTranspose(5, 2, strides=3, padding="same"), (4, 4, 3)),
    "transposed in one dimension": (layers.Conv1DTranspose(5, 4, strides=2, padding="same"), (6, 3)),
    "separable": (layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same"), (6, 6, 4)),
    "separable in one dimension": (layers.SeparableConv1D(5, 3, strides=2), (9, 4)),
    "einsum": (layers.EinsumDense("abc,cd->abd", (None, 5)), (6, 4)),
    "einsum with dots": (layers.EinsumDense("...x,xy->...y", 5), (4,)),
    "einsum, two axes in": (layers.EinsumDense("abcd,cde->abe", (None, 5)), (6, 3, 4)),
    "einsum, two axes out": (layers.EinsumDense("abc,cde->abde", (None, 5, 2)), (6, 4)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_rows_times_matrix_are_what_the_layer_writes(name: str, float64) -> None:
    template, shape = LAYERS[name]
    without_bias = {"use_bias": False} if hasattr(template, "use_bias") else {}
    layer = type(template).from_config({**template.get_config(), "dtype": "float64", **without_bias})
    images = np.random.default_rng(0).normal(size=(2, *shape))
    written = np.asarray(layer(images))
    form = linear_form(layer)
    assert form.output_shape(images.shape) == written.shape
    num_places = np.prod(written.shape[1 : -form.num_written_axes], dtype=int)
    places = np.tile(np.arange(num_places), (2, 1))
    matrix = form.matrix(np.asarray(form.kernel))
    product = np.einsum("ngk,gko->ngo", form.rows(images, places), matrix)
    np.testing.assert_allclose(product.reshape(written.shape), written, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_matrix_becomes_the_kernel_again(name: str) -> None:
    template, shape = LAYERS[name]
    layer = type(template).from_config(template.get_config())
    layer.build((None, *shape))
    form = linear_form(layer)
    kernel = np.random.default_rng(0).normal(size=form.kernel.shape)
    np.testing.assert_array_equal(form.shaped(form.matrix(kernel), kernel.shape), kernel)


def test_only_the_places_that_are_asked_for() -> None:
    layer = layers.Conv2D(5, 3, padding="same")
    images = np.random.default_rng(0).normal(size=(3, 6, 7, 4)).astype("float32")
    layer(images)
    form = linear_form(layer)
    places = np.array([[0, 41], [5, 17], [17, 5]])
    everywhere = form.rows(images, np.tile(np.arange(42), (3, 1))).reshape(3, 42, 1, -1)
    expected = np.take_along_axis(everywhere, places[:, :, None, None], axis=1)
    np.testing.assert_array_equal(form.rows(images, places), expected.reshape(6, 1, -1))


@pytest.mark.parametrize("layer", [layers.DepthwiseConv2D(3), layers.BatchNormalization(), layers.ReLU()])
def test_what_does_not_mix_channels_has_no_form(layer: keras.Layer) -> None:
    assert linear_form(layer) is None


@pytest.mark.parametrize("option", [{"data_format": "channels_first"}, {"padding": ((1, 2), (0, 1))}])
def test_channels_first_and_padding_by_numbers_have_no_form(option: dict[str, object]) -> None:
    assert linear_form(layers.Conv2D(3, 3, **option)) is None


EINSUMS = {
    "places summed over": ("abc,bd->acd", (None, 4), None),
    "axes in another order": ("abcd,dce->abe", (None, 4), None),
    "outputs in another order": ("abc,cde->abed", (None, 3, 2), None),
    "outputs before places": ("abc,cd->adb", (4, None), None),
    "a kernel for each place": ("abc,bcd->abd", (None, 4), None),
    "a bias for each place": ("abc,cd->abd", (6, 4), "bd"),
    "a bias for one of two axes": ("abc,cde->abde", (None, 3, 2), "e"),
}


@pytest.mark.parametrize("name", EINSUMS)
def test_other_products_have_no_form(name: str) -> None:
    equation, shape, bias = EINSUMS[name]
    assert linear_form(layers.EinsumDense(equation, shape, bias_axes=bias)) is None


@pytest.mark.parametrize(
    "layer",
    [layers.Dense(3), layers.EinsumDense("ab,bc->ac", 3), layers.Conv2D(3, 1)],
    ids=lambda one: one.name,
)
def test_layers_with_adapters_have_no_form(layer: keras.Layer) -> None:
    layer.build((None, 4, 4, 5) if isinstance(layer, layers.Conv2D) else (None, 5))
    layer.enable_lora(2)
    assert linear_form(layer) is None


def test_what_memory_cannot_hold_is_left_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layer = layers.Dense(4, name="wide")
    layer.build((None, 1000))
    assert is_affordable(linear_form(layer))
    monkeypatch.setattr("stamp_tf.refit.linear_forms.usable_memory", lambda: 10**7)
    assert not is_affordable(linear_form(layer))
    assert "wide reads 1,000 numbers at a place: it is left as it is" in caplog.text


def test_a_subclass_may_compute_anything() -> None:
    class Own(layers.Dense):
        pass

    assert linear_form(Own(3)) is None
