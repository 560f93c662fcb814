"""Networks of keras.applications: their weights out of the cache, at any size that they can have."""

import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import keras
import numpy as np
import pytest

import stamp_tf
from stamp_tf.errors import StampError
from stamp_tf.references.find import find_reference
from stamp_tf.references.pretrained.weight_files import weight_file


def images(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, side, side, 3)).astype("float32")


def test_it_comes_with_its_weights_and_takes_pixels(publish) -> None:
    model = publish()
    loaded = stamp_tf.load_network("keras:MobileNetV2")
    assert loaded.input_shape == (None, 24, 24, 3)
    np.testing.assert_allclose(loaded(images(24)), model(images(24) / 127.5 - 1), rtol=1e-4)


def test_it_is_built_for_the_size_asked_for(publish) -> None:
    model = publish()
    loaded = stamp_tf.load_network("keras:MobileNetV2", image_shape=(40, 32, 3))
    assert loaded.input_shape == (None, 40, 32, 3)
    np.testing.assert_array_equal(
        loaded.get_layer("body").get_weights()[0], model.get_layer("body").get_weights()[0]
    )


def test_a_name_is_a_reference(publish) -> None:
    publish()
    reference = find_reference("keras:MobileNetV2", backbone="vgg19", image_shape=(32, 32, 3))
    assert reference.backbone.input_shape == (32, 32, 3)
    assert (reference.pixels.scale, reference.pixels.origin) == ("0:255", "network")


@pytest.mark.usefixtures("messages_in_python")
def test_missing_weights_are_not_fetched_unasked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetched(*_: object, **__: object) -> None:
        raise AssertionError("it went to the network")

    monkeypatch.setattr(sys.modules["keras.src.utils.file_utils"], "urlretrieve", fetched)
    words = (
        rf"keras:ResNet50 needs its weights, but resnet50_\w+.h5 is not in {cache}; load it with "
        r"stamp_tf.load_network\(..., download=True\), copy the file there, or set KERAS_HOME"
    )
    with pytest.raises(StampError, match=words):
        stamp_tf.load_network("keras:ResNet50")


def test_a_fetch_that_fails_says_why(publish, cache: Path) -> None:
    publish()
    weight_file("MobileNetV2").unlink()
    with pytest.raises(StampError, match=r"that failed: URL fetch failure: no such host; check the network"):
        stamp_tf.load_network("keras:MobileNetV2", download=True)


FETCH = """
import sys, numpy as np, keras, stamp_tf
sys.modules["keras.src.applications.mobilenet_v2"].BASE_WEIGHT_PATH = sys.argv[1]
fetched = stamp_tf.load_network("keras:MobileNetV2", image_shape=(96, 96, 3), download=True)
found = stamp_tf.load_network("keras:MobileNetV2", image_shape=(96, 96, 3))
np.testing.assert_array_equal(*(model.get_layer("predictions").get_weights()[0] for model in (fetched, found)))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_weights_are_fetched_by_the_way_of_keras(cache: Path, tmp_path: Path) -> None:
    """From a server of this machine in the place of Keras's; Keras looks where its cache lies when it is imported."""
    place = weight_file("MobileNetV2", (96, 96, 3))
    keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3)).save(tmp_path / place.name)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        subprocess.run([sys.executable, "-c", FETCH, address], check=True)
        server.shutdown()
    assert place.parent == cache
    assert place.read_bytes() == (tmp_path / place.name).read_bytes()


def test_damaged_weights_are_refused(publish) -> None:
    publish()
    weight_file("MobileNetV2").write_bytes(b"half a page of HTML")
    with pytest.raises(
        StampError, match=r"Weights of keras:MobileNetV2 must be as Keras publishes them, but .*delete"
    ):
        stamp_tf.load_network("keras:MobileNetV2")


def test_dense_layers_that_know_one_size_are_refused_at_another(publish) -> None:
    publish(is_flat=True)
    with pytest.raises(
        StampError, match=r"--image-size must be 24x24 for keras:MobileNetV2, .* but is 40x40"
    ):
        stamp_tf.load_network("keras:MobileNetV2", image_shape=(40, 40, 3))


def test_a_size_that_the_network_refuses_is_said_in_its_words(publish) -> None:
    publish()
    with pytest.raises(
        StampError, match=r"--image-size must be a size .* but is 4x4 where Keras says 'Input"
    ):
        stamp_tf.load_network("keras:MobileNetV2", image_shape=(4, 4, 3))


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        ("keras:MobilNetV2", {}, "there is none of that name.*Did you mean 'MobileNetV2'"),
        ("keras:MobileNetV2", {"image_shape": (32, 32, 1)}, "must have a depth of 3"),
        (
            "mine.keras",
            {"image_shape": (32, 32, 3)},
            "--image-size needs a network by name, but mine.keras has a size",
        ),
    ],
)
def test_what_cannot_be_is_refused(source: str, options: dict, words: str) -> None:
    with pytest.raises(StampError, match=words):
        stamp_tf.load_network(source, **options)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV2", "MobileNetV3Small", "ResNet50"])
def test_it_is_the_network_that_keras_loads_itself(
    name: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = 96
    application = getattr(keras.applications, name)
    file = weight_file(name, (side, side, 3))
    application(weights=None, input_shape=(side, side, 3)).save(file)
    loaded = stamp_tf.load_network(f"keras:{name}", image_shape=(side, side, 3))
    # Whatever Keras does for weights of its own alone, it does here, but for the sum of the file and the download.
    monkeypatch.setattr(sys.modules["keras.src.utils.file_utils"], "get_file", lambda *_, **__: str(file))
    own = application(weights="imagenet", input_tensor=keras.Input((side, side, 3)))
    module = getattr(keras.applications, application.__module__.rpartition(".")[2])
    expected = keras.ops.log(own(module.preprocess_input(images(side))))
    np.testing.assert_allclose(keras.ops.log(loaded(images(side))), expected, rtol=1e-3, atol=1e-3)
