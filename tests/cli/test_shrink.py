"""`stamp-tf shrink`: any network, no labels."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import stamp_tf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network that draws images, examples for it, and a file of something else."""
    keras.utils.set_random_seed(5)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(12, 3, padding="same", activation="relu", name="first")(image)
    keras.Model(image, layers.Conv2D(3, 3, padding="same", name="last")(x)).save(tmp_path / "draws.keras")
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 8, 8, 3)).astype("float32")
    np.savez(tmp_path / "some.npz", x=images, y=np.arange(40))
    np.savez(tmp_path / "other.npz", pictures=images)
    np.savez(tmp_path / "small.npz", x=images[:, :4])
    (tmp_path / "text.npz").write_text("no archive")
    return tmp_path


def test_a_file_becomes_a_smaller_file(cli, folder: Path) -> None:
    out = folder / "small.keras"
    text = cli.done(
        "shrink",
        folder / "draws.keras",
        "--inputs",
        f"npz:{folder}/some.npz",
        "--max-flops",
        0.5,
        "--out",
        out,
    ).stdout
    full, small = (keras.saving.load_model(path) for path in (folder / "draws.keras", out))
    images = np.load(folder / "some.npz")["x"]
    by_hand = stamp_tf.shrink(full, images, max_flops=0.5)
    for one, other in zip(small.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert "FLOPs        2.0 \N{MULTIPLICATION SIGN} fewer" in text
    assert f"Keras model  {out}" in text


WRONG = {
    "no budget": ("--inputs npz:{0}/some.npz --out {0}/new.keras", "needs a budget"),
    "no arrays": (
        "--inputs npz:{0}/other.npz --out {0}/new.keras --max-flops 0.5",
        "--inputs must be an array by the name of",
    ),
    "other sizes": (
        "--inputs npz:{0}/small.npz --out {0}/new.keras --max-flops 0.5",
        "--inputs must have shape [n, 8, 8, 3] for image, but have (40, 4, 8, 3)",
    ),
    "no file": (
        "--inputs npz:{0}/none.npz --out {0}/new.keras --max-flops 0.5",
        "--inputs npz:{0}/none.npz must be a file",
    ),
    "no archive": (
        "--inputs npz:{0}/text.npz --out {0}/new.keras --max-flops 0.5",
        "--inputs npz:{0}/text.npz must be an .npz file",
    ),
    "out within a file": (
        "--inputs npz:{0}/some.npz --out {0}/some.npz/new.keras --max-flops 0.5",
        "Cannot write {0}/some.npz/new.keras: Not a directory",
    ),
    "out of a long name": (
        "--inputs npz:{0}/some.npz --out {0}/" + 248 * "n" + ".keras --max-flops 0.5",
        "File name too long; choose a shorter name",
    ),
    "no source": ("--inputs some.npz --out {0}/new.keras --max-flops 0.5", "--inputs must be npz:PATH"),
    "ending": ("--inputs npz:{0}/some.npz --out {0}/new.h5 --max-flops 0.5", "--out must end in '.keras'"),
    "there already": (
        "--inputs npz:{0}/some.npz --out {0}/draws.keras --max-flops 0.5",
        "--out must be new, but",
    ),
    "unreachable": ("--inputs npz:{0}/some.npz --out {0}/new.keras --max-flops 0.0001", "smallest reachable"),
    "method": (
        "--inputs npz:{0}/some.npz --out {0}/new.keras --max-flops 0.5 --method taylor",
        "'taylor' is not one of",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_one_line_and_writes_nothing(cli, folder: Path, name: str) -> None:
    options, message = WRONG[name]
    before = sorted(path.name for path in folder.iterdir())
    line = cli.refused("shrink", folder / "draws.keras", *options.format(folder).split())
    assert message.format(folder) in line
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_place_that_cannot_be_written_is_refused_before_the_work(cli, folder: Path) -> None:
    # There is no network either: what is named first was looked at first.
    line = cli.refused(
        *("shrink", folder / "none.keras", "--inputs", f"npz:{folder}/some.npz", "--max-flops", 0.5),
        *("--out", folder / "some.npz" / "new.keras"),
    )
    assert "Cannot write" in line


def test_an_old_file_is_replaced_on_request(cli, folder: Path) -> None:
    out = folder / "draws.keras"
    cli.done(
        "shrink", out, "--inputs", f"npz:{folder}/some.npz", "--max-flops", 0.5, "--out", out, "--overwrite"
    )
    assert keras.saving.load_model(out).get_layer("first").filters < 12
