"""`stamp-tf benchmark`: what is refused before anything is run or written."""

import shlex

import numpy as np
import pytest


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels = np.arange(120) % 4
    pixels = np.random.default_rng(0).integers(256, size=(120, 32, 32, 3)).astype("uint8")
    np.savez("a.npz", x_train=pixels, y_train=labels, x_test=pixels[:8], y_test=labels[:8])
    np.savez("few.npz", x_train=pixels[:8], y_train=labels[:8], x_test=pixels[:8], y_test=labels[:8])
    np.savez("other.npz", pixels=pixels)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("table-11", "must be one of"),
        ("table-1 --scale huge", "scale must be one of paper, cpu, quick"),
        ("table-1 --target ../x=digits", "--target must be NAME=DATASET, its name of letters"),
        ("table-1 --target digits", "--target must be NAME=DATASET"),
        (
            "table-1 --target a=digits --target a=npz:a.npz",
            "--target must name each target once, but names a twice",
        ),
        (
            "table-1 --scale paper --target a=npz:a.npz",
            "must be of width 1 at scale paper, but is of width 0.25",
        ),
        ("table-1 --target a=nonsense", "--target a must be one of"),
        ("table-1 --target a=npz:none.npz", "--target a: npz:none.npz must be a file, but there is none"),
        ("figure-5 --scale quick --target a=npz:other.npz", "Target a:"),
        ("table-1 --target a=npz:a.npz --rows stmp", "rows must be of"),
        ("table-1 --target a=npz:a.npz --rows ''", "--rows must be words with commas between them"),
        ("table-1 --target a=npz:a.npz --seeds -1", "--seeds must be whole numbers, 0 or more"),
        ("render", "--run-dir is needed"),
        ("render --run-dir . --rows stamp", "--rows runs something, but render shows what was run"),
        ("render --run-dir .", "has no suite.json"),
    ],
)
def test_what_is_refused_writes_nothing(cli, images, arguments, words) -> None:
    before = sorted(images.rglob("*"))
    assert words in cli.refused("benchmark", *shlex.split(arguments), as_typed=True)
    assert sorted(images.rglob("*")) == before
