"""The code that loads each format runs as the page has it, on what the exporters write, and names the right class."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import stamp_registry
from stamp_tf.data import Normalization
from stamp_tf.export.contract import call_exporter
from stamp_tf.pruned_runs.exports import place_of
from stamp_tf.storage.run_directory import RunDirectory

PAGE = Path(__file__).parents[1] / "docs/formats.md"
GROUP = "stamp_tf.exporters"


def test_the_page_loads_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_page) -> None:
    for runtime in ("ai_edge_litert", "onnxruntime", "openvino"):
        pytest.importorskip(runtime)
    monkeypatch.chdir(tmp_path)
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, keras.layers.Dense(3, kernel_initializer="identity")(x))
    run = RunDirectory(tmp_path / "runs/photos")
    for name in ("litert-int8", "onnx", "openvino"):
        call_exporter(
            stamp_registry.load(GROUP, name),
            model,
            place_of(run, name),
            class_names=("cat", "straße", "dog, wet"),
            normalization=Normalization((0.5,) * 3, (0.25,) * 3),
            images=lambda: np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3)).astype("uint8"),
        )
    # Blue, which is what the third class is by.
    Image.new("RGB", (30, 20), (20, 40, 230)).save("picture.png")
    _, shown = run_page(PAGE)
    assert shown == 3


def test_the_page_has_every_format_and_its_place() -> None:
    page, run = PAGE.read_text(), RunDirectory(Path("runs/photos"))
    for name in stamp_registry.names(GROUP):
        if stamp_registry.is_built_in(GROUP, name):
            place = place_of(run, name)
            assert f"| `{name}` | `{place.name}{'' if place.suffix else '/'}` |" in page
