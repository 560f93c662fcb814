"""Pictures are decoded as in training, and what a network says of them is written down."""

import csv
import io
import json
import logging
from pathlib import Path

import numpy as np
import pytest

import stamp_tf
from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError
from stamp_tf.serving import predict as module
from stamp_tf.serving.load import load_exported
from stamp_tf.serving.predictions import Predictions
from stamp_tf.testing.exporter import CLASS_NAMES, pixels


def test_pixels_are_those_of_training(toy_file: Path, pictures: Path, tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("one", "other"):
            (tmp_path / "set" / part / name).mkdir(parents=True)
            (tmp_path / "set" / part / name / "x.png").write_bytes((pictures / "below/c.png").read_bytes())
    expected = load_dataset(f"folder:{tmp_path / 'set'}", image_shape=(8, 8, 3)).test.images[:1]
    found = stamp_tf.predict(toy_file, pictures / "below/c.png")
    np.testing.assert_array_equal(found.probabilities, load_exported(toy_file)(expected))


def test_answers_are_in_the_order_of_the_pictures(
    toy_file: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = load_exported(toy_file)
    paths = [pictures / name for name in ("b.jpg", "a.png", "b.jpg", "below/c.png", "a.png")]
    one_by_one = np.concatenate([stamp_tf.predict(network, path).probabilities for path in paths])
    monkeypatch.setattr(module, "BATCH_SIZE", 2)
    steps = []
    found = stamp_tf.predict(network, paths, on_step=lambda *step: steps.append(step))
    assert found.pictures == tuple(map(str, paths))
    np.testing.assert_allclose(found.probabilities, one_by_one, atol=1e-6)
    assert steps == [(2, 5, {"images": 2}), (4, 5, {"images": 2}), (5, 5, {"images": 1})]


def test_images_as_they_are(toy_file: Path) -> None:
    network = load_exported(toy_file)
    found = stamp_tf.predict(network, pixels())
    np.testing.assert_allclose(found.probabilities, network(pixels()), atol=1e-6)
    assert found.classes == tuple(CLASS_NAMES[index] for index in network(pixels()).argmax(axis=1))
    assert len(stamp_tf.predict(network, pixels().repeat(2, axis=1)[:0])) == 0
    with pytest.raises(StampError, match=r"must be uint8 \[B, height, width, 1 or 3\], but are float64"):
        stamp_tf.predict(network, pixels() / 255)


@pytest.mark.parametrize("content", [b"no picture", None])
def test_what_is_no_picture_is_refused_or_skipped(
    toy_file: Path, pictures: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    whole = (pictures / "a.png").read_bytes()
    (pictures / "bad.png").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(
        StampError, match=r"PICTURES must hold readable images, but .*bad.png cannot be decoded"
    ) as caught:
        stamp_tf.predict(toy_file, pictures)
    assert str(caught.value).endswith("or add --skip-corrupt.")
    with caplog.at_level(logging.WARNING):
        found = stamp_tf.predict(toy_file, pictures, skip_corrupt=True)
    assert [Path(name).name for name in found.pictures] == ["a.png", "b.jpg", "c.png"]
    assert "pictures: skipped " in caplog.text
    with pytest.raises(StampError, match="must be readable, but none is"):
        stamp_tf.predict(toy_file, pictures / "bad.png", skip_corrupt=True)


@pytest.fixture
def found(toy_file: Path) -> Predictions:
    return Predictions(
        network=load_exported(toy_file),
        pictures=("a,b.png", "\udcff.png"),
        probabilities=np.array([[0.25, 0.5, 0.25], [0.125, 0.125, 0.75]], np.float32),
    )


def test_the_likeliest_come_first_and_equals_in_their_order(found: Predictions) -> None:
    assert found.top(2) == [[("straße", 0.5), ("cat", 0.25)], [("dog, wet", 0.75), ("cat", 0.125)]]
    assert [len(row) for row in found.top(9)] == [3, 3]


def rows_of(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode("utf-8", "surrogateescape"))))


def test_a_table_for_other_programs(found: Predictions) -> None:
    rows = rows_of(found.to_csv(2))
    assert rows[0] == ["picture", "class", "probability", "class_2", "probability_2"]
    assert rows[1] == ["a,b.png", "straße", "0.500000", "cat", "0.250000"]
    assert rows[2][0] == "\udcff.png"
    assert [len(row) for row in rows_of(found.to_csv(9))] == [7, 7, 7]


def test_json_for_other_programs(found: Predictions) -> None:
    content = json.loads(found.to_json(1))
    assert content["classes"] == list(CLASS_NAMES)
    assert content["format"] == "keras"
    assert content["pictures"][0] == {"picture": "a,b.png", "top": [{"class": "straße", "probability": 0.5}]}
