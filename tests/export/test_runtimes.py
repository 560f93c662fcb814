"""What other runtimes make of the files: the probabilities of the Keras network, for any number of images."""

import importlib
import json
import logging
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_registry
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.export.contract import call_exporter
from stamp_tf.serving.load import load_exported
from stamp_tf.serving.runtime import MissingRuntime

Reader = Callable[[Path, np.ndarray], np.ndarray]

ENDINGS = {"litert": ".tflite", "litert-dynamic": ".tflite", "litert-int8": ".tflite", "onnx": ".onnx"}
FORMATS = (*ENDINGS, "openvino")


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, np.ndarray]:
    """A small network that tells bars from one another, whichever their colour, and images of them."""
    keras.utils.set_random_seed(0)
    images, labels = bars(400, seed=0)
    image = keras.Input((12, 12, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    x = keras.layers.ReLU(max_value=6.0)(keras.layers.BatchNormalization(momentum=0.8)(x))
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", use_bias=False)(x)
    x = keras.layers.ReLU(max_value=6.0)(keras.layers.BatchNormalization(momentum=0.8)(x))
    x = keras.layers.Conv2D(16, 1)(x)
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(keras.layers.ReLU()(x)))
    model = keras.Model(image, keras.layers.Dense(4, activation="softmax", name="head")(x), name="image")
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(PIXELS(images), labels, epochs=12, batch_size=40, verbose=0)
    test, labels = bars(100, seed=1)
    assert np.mean(model.predict(PIXELS(test), verbose=0).argmax(axis=1) == labels) > 0.9
    return model, test


PIXELS = Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def bars(number: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 4, number)
    images = random.uniform(60, 140, (number, 12, 12, 3))
    for image, label in zip(images, labels, strict=True):
        place, colour = random.integers(2, 10), random.uniform(70, 115, 3)
        line = np.s_[place : place + 2, :] if label % 2 else np.s_[:, place : place + 2]
        image[line] += colour if label < 2 else -colour
    return images.clip(0, 255).astype("uint8"), labels


def exported(name: str, model: keras.Model, folder: Path, *, images: np.ndarray) -> Path:
    try:
        export = stamp_registry.load("stamp_tf.exporters", name)
    except stamp_registry.MissingExtra as error:
        pytest.skip(str(error))
    names = tuple("abcdefgh"[: max(2, model.outputs[0].shape[-1])])
    return call_exporter(
        export,
        model,
        folder / f"network{ENDINGS.get(name, '')}",
        class_names=names,
        normalization=PIXELS,
        images=lambda: images,
    )


def probabilities(path: Path, images: np.ndarray) -> np.ndarray:
    try:
        return load_exported(path)(images)
    except MissingRuntime as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", FORMATS)
def test_a_hundred_images_get_the_probabilities_of_the_keras_network(trained, name, tmp_path: Path) -> None:
    model, images = trained
    path = exported(name, model, tmp_path, images=bars(100, seed=2)[0])
    expected = model.predict(PIXELS(images), verbose=0)
    found = np.concatenate([probabilities(path, images[part]) for part in (np.s_[:1], np.s_[1:6], np.s_[6:])])
    if name == "litert-int8":
        assert np.mean(found.argmax(axis=1) == expected.argmax(axis=1)) >= 0.97
    else:
        tolerance = 0.05 if name == "litert-dynamic" else 1e-4
        np.testing.assert_allclose(found, expected, atol=tolerance)


@keras.saving.register_keras_serializable(package="runtimes")
class Inverse(keras.layers.Layer):
    """Computes what no runtime has a word for."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.erfinv(keras.ops.tanh(x))


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_cannot_express_is_named_with_its_layer(name, tmp_path: Path, capfd) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(Inverse(name="odd")(keras.layers.Conv2D(4, 3)(image)))
    model = keras.Model(image, keras.layers.Dense(3)(x))
    with pytest.raises(
        StampError, match=rf"for {name} must .* needs Erfinv, which odd computes; replace it"
    ) as caught:
        exported(name, model, tmp_path, images=np.zeros((1, 8, 8, 3), "uint8"))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert "rfinv" not in "".join(capfd.readouterr())


def test_int8_takes_pixels_as_they_are(trained, tmp_path: Path) -> None:
    """Its scale is 1 even where no image that calibrates it is white."""
    model, _ = trained
    path = exported("litert-int8", model, tmp_path, images=np.full((2, 12, 12, 3), 90, "uint8"))
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (taken["dtype"], taken["quantization"]) == (np.uint8, (1.0, 0))
    assert given["dtype"] == np.float32


def test_of_equal_vectors_a_file_holds_one(trained, tmp_path):
    from tensorflow.lite.tools import flatbuffer_utils

    model, images = trained
    content = exported("litert-int8", model, tmp_path, images=images).read_bytes()
    network = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    kernels = [
        tensor.quantization.zeroPoint
        for tensor in network.subgraphs[0].tensors
        if tensor.quantization is not None and np.size(tensor.quantization.scale) == 8
    ]
    # Of the convolution and the depthwise one, and of their biases.
    assert len(kernels) == 4
    assert all(np.array_equal(zeros, np.zeros(8)) for zeros in kernels)
    assert content.count(np.array([8, *[0] * 16], "<u4").tobytes()) == 1


def test_int8_computes_in_integers_with_a_scale_per_channel(trained, tmp_path: Path) -> None:
    model, images = trained
    path = exported("litert-int8", model, tmp_path, images=images)
    interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path))
    tensors = interpreter.get_tensor_details()
    assert [each["name"] for each in tensors if each["dtype"] == np.float32] == [
        interpreter.get_output_details()[0]["name"]
    ]
    kernels = [each for each in tensors if len(each["shape"]) == 4 and each["shape"][0] in (8, 16)]
    assert {len(each["quantization_parameters"]["scales"]) for each in kernels} == {8, 16}


def test_images_of_another_size_do_not_calibrate(trained, tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"images must be uint8 of shape \[n >= 1, 12, 12, 3\]"):
        exported("litert-int8", trained[0], tmp_path, images=np.zeros((2, 8, 8, 3), "uint8"))


@pytest.mark.parametrize("name", ["litert", "onnx", "openvino"])
def test_another_weight_than_was_exported_is_said(trained, name, tmp_path: Path, caplog) -> None:
    model, images = trained
    path = exported(name, model, tmp_path, images=images)
    file = path / "network.bin" if name == "openvino" else path
    with caplog.at_level(logging.WARNING):
        before = probabilities(path, images)
        assert not caplog.records
        weight = model.get_layer("head").weights[0].numpy()[0, 0]
        content = file.read_bytes()
        assert content.count(weight.tobytes()) == 1
        file.write_bytes(content.replace(weight.tobytes(), (-9 * weight).tobytes()))
        after = probabilities(path, images)
    assert not np.allclose(before, after, atol=1e-3)
    assert f"{path} is not as it was exported: damaged, or changed by another program" in caplog.text


@pytest.mark.parametrize("name", ["litert", "onnx", "openvino"])
@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("size", [6, 6], "must be as it was exported, but takes images of 12x12x3 where it says 6x6x3"),
        ("classes", ["a", "b"], r"must give a probability for each of its 2 classes, but gives \[4\]"),
    ],
)
def test_a_contract_of_another_network_is_refused(trained, name, key, value, words, tmp_path, monkeypatch):
    model, images = trained
    path = exported(name, model, tmp_path, images=images)
    module = importlib.import_module(f"stamp_tf.serving.{name}_{'folder' if name == 'openvino' else 'file'}")
    read = module.read_contract

    def changed(content: bytes, *, source: Path):
        contract = json.loads(content)
        (contract["input"] if key == "size" else contract)[key] = value
        return read(json.dumps(contract), source=source)

    monkeypatch.setattr(module, "read_contract", changed)
    with pytest.raises(StampError, match=words):
        probabilities(path, images)


@pytest.mark.parametrize("name", ENDINGS)
def test_the_ending_must_be_that_of_the_format(trained, name, tmp_path: Path) -> None:
    export = stamp_registry.load("stamp_tf.exporters", name)
    with pytest.raises(StampError, match=rf"must end in '{ENDINGS[name]}'"):
        call_exporter(
            export,
            trained[0],
            tmp_path / "network.bin",
            class_names="abcd",
            normalization=PIXELS,
            images=lambda: trained[1],
        )


def test_a_folder_of_somebody_else_is_not_replaced(trained, tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "notes.txt").write_text("mine")
    with pytest.raises(StampError, match=r"an earlier export of OpenVINO, but .* holds something else"):
        exported("openvino", trained[0], tmp_path, images=trained[1])
    assert (tmp_path / "network" / "notes.txt").read_text() == "mine"
