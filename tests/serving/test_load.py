"""A network is found by what lies at a path, and a reader that fails is said and passed over."""

import logging
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from stamp_tf.errors import NotFiniteError, PluginError, StampError
from stamp_tf.export.keras_file import export_keras
from stamp_tf.export.saved_model import export_saved_model
from stamp_tf.serving.exported import Exported
from stamp_tf.serving.load import load_exported, open_exported
from stamp_tf.testing.exporter import CLASS_NAMES, NORMALIZATION, SHAPE, pixels, toy_network

PARTS = {"class_names": CLASS_NAMES, "normalization": NORMALIZATION}


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    model = toy_network()
    export_keras(model, folder / "toy.keras", **PARTS)
    export_saved_model(model, folder / "served", **PARTS)
    return folder


def test_formats_are_told_by_what_lies_there(exports: Path) -> None:
    first, second = load_exported(exports / "toy.keras"), load_exported(str(exports / "served"))
    assert (first.format, second.format) == ("keras", "saved-model")
    np.testing.assert_allclose(first(pixels()), second(pixels()), atol=1e-6)


def test_no_images_have_no_answers(exports: Path) -> None:
    assert load_exported(exports / "toy.keras")(np.zeros((0, *SHAPE), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 9, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)],
)
def test_other_images_are_refused(exports: Path, images: np.ndarray) -> None:
    with pytest.raises(StampError, match=r"images must be uint8 of shape \[B, 8, 8, 3\], but are"):
        load_exported(exports / "toy.keras")(images)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StampError, match=r"but .*nowhere is not there; check the path"):
        load_exported(tmp_path / "nowhere")
    with pytest.raises(
        StampError, match=r"that stamp-tf exported \(.*keras, .*saved-model.*\), or a run's folder"
    ):
        load_exported(tmp_path)


def test_a_network_of_somebody_else_is_refused(exports: Path, tmp_path: Path) -> None:
    toy_network().save(tmp_path / "own.keras")
    with pytest.raises(StampError, match=r"own.keras must be a .keras file written by stamp-tf"):
        load_exported(tmp_path / "own.keras")
    shutil.copytree(exports / "served", tmp_path / "served")
    (tmp_path / "served/assets.extra/contract.json").unlink()
    with pytest.raises(
        StampError, match=r"must be a SavedModel written by stamp-tf, but has no assets.extra/contract"
    ):
        load_exported(tmp_path / "served")


def test_a_damaged_network_is_refused_in_a_short_line(exports: Path, tmp_path: Path) -> None:
    shutil.copytree(exports / "served", tmp_path / "served")
    (tmp_path / "served/saved_model.pb").write_bytes(b"damaged")
    with pytest.raises(
        StampError, match=r"must be a whole network, but TensorFlow answers '.*'; export"
    ) as caught:
        load_exported(tmp_path / "served")
    assert len(str(caught.value)) < 260 + len(str(tmp_path))


def test_weights_may_be_put_off_to_the_first_answer(exports: Path, tmp_path: Path) -> None:
    path = tmp_path / "toy.keras"
    with zipfile.ZipFile(exports / "toy.keras") as whole, zipfile.ZipFile(path, "w") as damaged:
        for name in whole.namelist():
            damaged.writestr(name, whole.read(name) if name != "model.weights.h5" else b"damaged")
    with pytest.raises(StampError, match=r"toy\.keras"):
        load_exported(path)
    network = open_exported(path)
    assert (network.image_shape, network.class_names) == (SHAPE, CLASS_NAMES)
    with pytest.raises(StampError, match=r"toy\.keras"):
        network(pixels())


def test_a_damaged_contract_is_refused(exports: Path, tmp_path: Path) -> None:
    shutil.copytree(exports / "served", tmp_path / "served")
    (tmp_path / "served/assets.extra/contract.json").write_text('{"input": {"size": [8]}, "classes": ["a"]}')
    with pytest.raises(StampError, match=r"contract.json must be JSON written by stamp-tf, but input.size"):
        load_exported(tmp_path / "served")


SOURCE = """
import numpy as np
from stamp_tf.serving.exported import Exported
def crashes(path): raise KeyError(13)
def odd(path): return "a network"
def mine(path):
    if path.name != "words.txt": return None
    return Exported(path=path, format="mine", image_shape=(1, 1, 1), class_names=("a", "b"),
                    answer=lambda images: np.full((len(images), 2), 0.5))
"""


def test_a_broken_reader_is_reported_and_passed_over(
    make_plugin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("crashes", "odd", "mine", "absent")
    make_plugin("readers", {"stamp_tf.readers": [f"{name} = readers:{name}" for name in names]}, SOURCE)
    words = tmp_path / "words.txt"
    words.write_text("half")
    with caplog.at_level(logging.WARNING):
        exported = load_exported(words)
    assert exported(np.zeros((3, 1, 1, 1), np.uint8)).tolist() == [[0.5, 0.5]] * 3
    assert "'absent' of package readers must import" in caplog.text
    assert "'crashes' of package readers must not fail, but raised KeyError: 13" in caplog.text
    with caplog.at_level(logging.WARNING), pytest.raises(StampError, match="is neither"):
        load_exported(tmp_path)
    assert "'odd' of package readers must return an Exported or None, but returned str" in caplog.text


def test_what_a_reader_answers_is_checked() -> None:
    def answering(answer: np.ndarray) -> Exported:
        return Exported(
            path=Path("x"),
            format="mine",
            image_shape=(1, 1, 1),
            class_names=("a", "b"),
            answer=lambda _: answer,
        )

    image = np.zeros((1, 1, 1, 1), np.uint8)
    with pytest.raises(PluginError, match=r"must give probabilities \[1, 2\], but gave shape \[2\]"):
        answering(np.zeros(2))(image)
    with pytest.raises(NotFiniteError, match="gives NaN or infinity"):
        answering(np.array([[np.nan, 0.0]]))(image)
