"""What an exported network takes and gives: any size, both types, pixels from 0 to 255, and nothing else."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stamp_tf.backbones.end import split_end
from stamp_tf.channels.graph import calls_of
from stamp_tf.data import Normalization
from stamp_tf.data.resize import fit_images
from stamp_tf.ends import End
from stamp_tf.export.calling import calling_of
from stamp_tf.export.card import read_card
from stamp_tf.export.keras_file import export_keras
from stamp_tf.export.saved_model import export_saved_model
from stamp_tf.references.own_file import reference_of_file

NAMES = ("cat", "straße", "dog, wet")
NORMALIZATION = Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def network(activation: str = "linear", units: int = 3) -> keras.Model:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="pixels")
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(keras.layers.ReLU(name="relu")(x))
    return keras.Model(image, keras.layers.Dense(units, activation, name="head")(x), name="toy")


def pictures(*size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, *size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "saved_model"
    return export_saved_model(network(), path, class_names=NAMES, normalization=NORMALIZATION)


@pytest.fixture(scope="module")
def loaded(folder: Path) -> tf.Module:
    return tf.saved_model.load(str(folder))


@pytest.mark.parametrize("size", [(8, 8), (11, 20), (64, 48)])
def test_both_types_of_any_size_answer_as_the_run_does(loaded: tf.Module, size: tuple[int, int]) -> None:
    images = pictures(*size)
    expected = network()(NORMALIZATION(fit_images(images, (8, 8, 3))))
    for given in (images, images.astype("float32"), tf.constant(images)):
        answer = loaded(given)
        # Where the size fits there is nothing but rounding; else up to two of 255 grey levels.
        np.testing.assert_allclose(answer["logits"], expected, atol=1e-6 if size == (8, 8) else 0.02)
        np.testing.assert_allclose(answer["probabilities"], tf.nn.softmax(answer["logits"]), atol=1e-6)
        names = [NAMES[index] for index in np.argmax(answer["logits"], axis=1)]
        assert [name.decode() for name in answer["class_name"].numpy()] == names


def test_signatures_of_both_types_come_in_this_order(loaded: tf.Module) -> None:
    assert list(loaded.signatures) == ["serving_default", "serving_uint8"]
    images = pictures(9, 7)
    default = loaded.signatures["serving_default"](image=tf.constant(images, tf.float32))
    other = loaded.signatures["serving_uint8"](image=tf.constant(images))
    np.testing.assert_array_equal(default["probabilities"], other["probabilities"])


@pytest.mark.parametrize(
    "images",
    [
        pictures(8, 8).astype("float32") / 255,
        pictures(8, 8).astype("float32") / 127.5 - 1,
        NORMALIZATION(pictures(8, 8)),
        pictures(8, 8).astype("float32") * 255,
        np.full((1, 8, 8, 3), np.nan, "float32"),
    ],
    ids=["0:1", "-1:1", "normalised", "above", "not a number"],
)
def test_other_scales_are_refused_with_a_remedy(loaded: tf.Module, images: np.ndarray) -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"must hold pixels in \[0, 255\], but .* by 255"
    ):
        loaded(images)


@pytest.mark.parametrize("size", [(8, 8), (11, 13)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_no_images_get_no_answers(loaded: tf.Module, size: tuple[int, int], dtype: str) -> None:
    answer = loaded(np.zeros((0, *size, 3), dtype))
    assert {name: tuple(value.shape) for name, value in answer.items()} == {
        "class_name": (0,),
        "logits": (0, 3),
        "probabilities": (0, 3),
    }


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images_without_pixels_are_refused(loaded: tf.Module, dtype: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="a height and a width of 1 or more"):
        loaded(np.zeros((1, 0, 8, 3), dtype))


@pytest.mark.parametrize(
    "dtype", ["float64", "int32", "int64", "float16", "int16", "uint16", "uint32", "uint64"]
)
def test_what_numpy_makes_of_images_is_taken(loaded: tf.Module, dtype: str) -> None:
    images = pictures(11, 13)
    np.testing.assert_array_equal(
        loaded(images.astype(dtype))["probabilities"], loaded(images)["probabilities"]
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiply pixels"):
        loaded(images / 255)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "uint16"])
def test_one_image_without_a_batch_is_a_batch_of_one(loaded: tf.Module, dtype: str) -> None:
    images = pictures(11, 13).astype(dtype)
    alone, among = loaded(images[1]), loaded(images)
    assert alone["class_name"].shape == (1,)
    np.testing.assert_allclose(alone["logits"][0], among["logits"][1], atol=1e-5)
    grey = images[1, :, :, :1]
    np.testing.assert_allclose(loaded(grey)["logits"], loaded(grey[None])["logits"], atol=1e-5)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), bool),
        np.array([b"cat.jpg"]),
        np.zeros((8, 8, 3), "complex64"),
        np.array(b"cat"),
    ],
    ids=["bool", "text", "complex", "one text"],
)
def test_what_is_no_number_is_refused_in_words(loaded: tf.Module, images: object) -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="must hold pixels 0 to 255, uint8 or float32, but is"
    ):
        loaded(images)


@pytest.mark.parametrize("shape", [(), (8,), (8, 8), (2, 8, 8), (2, 8, 8, 4), (8, 8, 2), (1, 2, 8, 8, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_other_shapes_are_refused_in_words(loaded: tf.Module, shape: tuple[int, ...], dtype: str) -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=r"must be \[batch, height, width, 1 or 3\], or one image without",
    ):
        loaded(np.zeros(shape, dtype))


def test_grey_and_colour_are_made_of_each_other_as_in_a_run(loaded: tf.Module, tmp_path: Path) -> None:
    colour = pictures(8, 8)
    grey = fit_images(colour, (8, 8, 1))
    np.testing.assert_array_equal(loaded(grey)["logits"], loaded(np.repeat(grey, 3, axis=3))["logits"])
    image = keras.Input((8, 8, 1))
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    pixels = Normalization((0.5,), (0.5,))
    takes_grey = tf.saved_model.load(
        str(export_saved_model(model, tmp_path / "grey", class_names=("a", "b"), normalization=pixels))
    )
    np.testing.assert_array_equal(takes_grey(colour)["logits"], takes_grey(grey)["logits"])
    with pytest.raises(tf.errors.InvalidArgumentError, match="multiply pixels"):
        takes_grey(colour / 255)


def test_dark_images_are_images(loaded: tf.Module) -> None:
    dark = pictures(8, 8) % 2
    for images in (np.zeros_like(dark), dark, dark.astype("float32"), np.zeros((1, 8, 8, 3), "float32")):
        assert np.isfinite(loaded(images)["probabilities"]).all()


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_a_plain_conversion_to_tflite_answers_alike(folder: Path, loaded: tf.Module) -> None:
    content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    interpreter = tf.lite.Interpreter(model_content=content)
    (first,) = interpreter.get_input_details()
    assert (first["name"], list(first["shape_signature"])) == ("serving_default_image:0", [-1, -1, -1, 3])
    for size in ((8, 8), (30, 21)):
        images = pictures(*size)
        for signature, given in (
            ("serving_default", images.astype("float32")),
            ("serving_uint8", images),
        ):
            answer, expected = interpreter.get_signature_runner(signature)(image=given), loaded(images)
            # A grey level that lies between two may be rounded to either.
            tolerance = 1e-6 if size == (8, 8) else 1e-3
            np.testing.assert_allclose(answer["probabilities"], expected["probabilities"], atol=tolerance)
            assert list(answer["class_name"]) == list(expected["class_name"].numpy())


@pytest.mark.parametrize(
    ("activation", "units", "names"),
    [("softmax", 3, NAMES), ("sigmoid", 3, NAMES), ("sigmoid", 1, NAMES[:2]), ("linear", 1, NAMES[:2])],
)
def test_probabilities_follow_from_the_end(
    activation: str, units: int, names: tuple[str, ...], tmp_path: Path
) -> None:
    model = network(activation, units)
    path = export_saved_model(model, tmp_path / "out", class_names=names, normalization=NORMALIZATION)
    images = pictures(8, 8)
    probabilities = tf.saved_model.load(str(path))(images)["probabilities"].numpy()
    outputs = np.asarray(model(NORMALIZATION(images)))
    if units == 1:
        share = outputs if activation == "sigmoid" else 1 / (1 + np.exp(-outputs))
        outputs = np.concatenate([1 - share, share], axis=1)
    np.testing.assert_allclose(probabilities, outputs, atol=1e-6)


def test_the_contract_lies_in_the_files_themselves(folder: Path, tmp_path: Path) -> None:
    contract = json.loads((folder / "assets.extra/contract.json").read_text("utf-8"))
    assert contract["input"]["pixels"] == [0, 255]
    assert contract["input"]["size"] == [8, 8]
    assert contract["classes"] == list(NAMES)
    path = export_keras(network(), tmp_path / "model.keras", class_names=NAMES, normalization=NORMALIZATION)
    card = read_card(path)
    assert card["contract"] == contract
    assert card["takes"] == "pixels in [0, 255]"


def test_its_example_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(folder.parent)
    lines = calling_of((8, 8, 3), NAMES, End()).example()
    exec("\n".join(lines), {"images": pictures(20, 20)})
    assert capsys.readouterr().out.startswith("tf.Tensor([b'")


def test_the_keras_file_takes_the_same_pixels(loaded: tf.Module, tmp_path: Path) -> None:
    path = export_keras(
        network("softmax"), tmp_path / "model.keras", class_names=NAMES, normalization=NORMALIZATION
    )
    model = keras.saving.load_model(path, safe_mode=True)
    images = pictures(8, 8)
    for given in (images, images.astype("float32")):
        np.testing.assert_allclose(model(given), loaded(images)["probabilities"], atol=1e-6)
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = np.array(model.get_layer("conv").kernel)
    model.fit(images, np.array([0, 1, 2]), verbose=0)
    assert np.abs(np.array(model.get_layer("conv").kernel) - before).max() > 0


def test_a_network_that_scales_by_itself_gets_no_second_scaling(tmp_path: Path) -> None:
    identity = Normalization((0.0,) * 3, (1 / 255,) * 3)
    path = export_keras(network(), tmp_path / "model.keras", class_names=NAMES, normalization=identity)
    model = keras.saving.load_model(path)
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    images = pictures(8, 8)
    np.testing.assert_allclose(model(images), network()(images.astype("float32")), rtol=1e-5)


def test_our_own_file_is_pruned_again_at_the_scale_it_takes(tmp_path: Path) -> None:
    path = export_keras(
        network("softmax"), tmp_path / "model.keras", class_names=NAMES, normalization=NORMALIZATION
    )
    reference = reference_of_file(path)
    assert reference.backbone.end == End("softmax")
    images = pictures(8, 8)
    logits = np.asarray(reference.model(reference.normalization(images)))
    plain, _ = split_end(network("softmax"))
    np.testing.assert_allclose(logits, plain(NORMALIZATION(images)), atol=1e-5)


def test_layers_of_the_model_get_no_further_calls(tmp_path: Path) -> None:
    model = network()
    export_keras(model, tmp_path / "model.keras", class_names=NAMES, normalization=NORMALIZATION)
    assert model.get_layer("conv").output is not None
    assert [len(calls_of(layer)) for layer in model.layers] == [1] * len(model.layers)
