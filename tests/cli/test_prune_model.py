"""`stamp-tf prune --model`: a file of one's own from the first command to the last."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

SHAPE = (16, 16, 3)
FAST = "--dataset digits --no-flip --finetune-epochs 1 --no-speed --train-size 300"


def words(*arguments: str) -> list[str]:
    return [part for argument in arguments for part in argument.split()]


@pytest.fixture(scope="module")
def folder(cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that scales its own pixels, in `own.keras`, and what it was pruned to, in `run`."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("own")
    image = keras.Input(SHAPE)
    x = layers.Rescaling(1 / 255)(image)
    x = layers.Conv2D(12, 3, activation="relu", name="stem")(x)
    y = layers.Conv2D(12, 3, padding="same", activation="relu", name="branch")(x)
    x = layers.MaxPooling2D(2)(layers.Add()([x, y]))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3, activation="relu", name="top")(x))
    keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x)).save(folder / "own.keras")
    cli.done(*words(f"prune --model {folder / 'own.keras'} --max-flops 0.5 --run-dir {folder / 'run'}", FAST))
    return folder


def test_the_remaining_error_is_the_method_and_the_limit_holds(folder: Path) -> None:
    report = json.loads((folder / "run/report.json").read_text())
    assert (report["method"], report["flops_fraction"] <= 0.5) == ("remaining-error", True)


def test_the_run_says_what_it_was_cut_from(folder: Path) -> None:
    config = json.loads((folder / "run/config.json").read_text())
    assert config["from"].endswith("own.keras")
    assert config["backbone"]["options"] == {"pixels": "0:255"}
    report = json.loads((folder / "run/report.json").read_text())
    assert report["details"]["pixels"] == "0:255, found in the network (x / 255)"
    assert (config["learning_rate"], config["clip_norm"]) == (0.05, 1.0)


def test_the_pruned_network_sees_pixels_as_the_old_one_did(folder: Path) -> None:
    small = keras.saving.load_model(folder / "run/model.keras", compile=False)
    assert small.get_layer("stem").filters == small.get_layer("branch").filters < 12
    assert any(isinstance(layer, layers.Rescaling) for layer in small.layers)
    card = json.loads((folder / "run/masks.json").read_text())
    assert card["widths"]["stem"] == small.get_layer("stem").filters


@pytest.mark.parametrize(
    "command", ["evaluate", "inspect", "finetune --epochs 1", "finetune --epochs 1 --distill 0.5"]
)
def test_later_commands_go_on_with_it(cli, folder: Path, command: str) -> None:
    name, *options = command.split()
    cli.done(name, folder / "run", *options)


def test_a_latency_that_no_network_has_is_refused(cli, folder: Path) -> None:
    line = cli(
        *words(
            f"prune --model {folder / 'own.keras'} --max-latency 0.001ms --run-dir {folder / 'never'}", FAST
        )
    )
    assert line.exit_code == 2
    assert "--max-latency" in line.stderr
    assert not (folder / "never").exists()


@pytest.mark.parametrize("method", ["taylor", "random"])
def test_the_methods_of_the_library_take_it(cli, folder: Path, method: str) -> None:
    options = f"--method {method} --keep-params 0.5 --keep top --run-dir {folder / method}"
    cli.done(*words(f"prune --model {folder / 'own.keras'} {options}", FAST))
    small = keras.saving.load_model(folder / method / "model.keras", compile=False)
    assert small.get_layer("top").filters == 16


@pytest.fixture(scope="module")
def three(folder: Path) -> Path:
    """Noise in three classes."""
    rng = np.random.default_rng(0)
    arrays = {
        name: value
        for part, size in (("train", 60), ("test", 30))
        for name, value in (
            (f"x_{part}", rng.integers(0, 256, (size, *SHAPE), dtype=np.uint8)),
            (f"y_{part}", np.arange(size) % 3),
        )
    }
    np.savez(folder / "three.npz", **arrays)
    return folder / "three.npz"


def test_it_leaves_with_other_classes(cli, folder: Path, three: Path) -> None:
    options = "--max-flops 0.5 --finetune-epochs 1 --no-speed"
    where = f"--dataset npz:{three} --run-dir {folder / 'classes'}"
    cli.done(*words(f"prune --model {folder / 'own.keras'}", where, options))
    small = keras.saving.load_model(folder / "classes/model.keras", compile=False)
    assert small.output_shape == (None, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--model {own} --from other", "--model and --from must not be given together; leave --from out."),
        ("--model {own} --backbone vgg19", "--model and --backbone must not be given together"),
        ("--pixels 0:1", "--pixels needs --model"),
        (
            "--model {own} --pixels 0:1 --max-flops 0.5",
            "--pixels must be the scale that the network is built for, but is 0:1 where it takes 0:255 (x / 255)",
        ),
        ("--model {own} --method stamp", "--method stamp needs a reference trained at budgets"),
        (
            "--model nowhere.keras --max-flops 0.5",
            "--model: A network must be a .keras file, but nowhere.keras is not there",
        ),
        ("--model {own}", "--method remaining-error needs a budget, but got none"),
        ("--model {own} --keep stam --max-flops 0.5", "Did you mean 'stem'?"),
        ("--model {own} --head keep --dataset npz:{three} --max-flops 0.5", "--head keep needs"),
    ],
)
def test_wrong_input_is_one_line(cli, folder: Path, three: Path, options: str, message: str) -> None:
    text = options.format(own=folder / "own.keras", three=three)
    dataset = "" if "--dataset" in text else "--dataset digits"
    result = cli(*words(f"prune {text} {dataset} --run-dir {folder / 'wrong'}"))
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert not (folder / "wrong").exists()
