"""Pretrained networks by name, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from stamp_tf.references.pretrained.weight_files import weight_file

FAST = "--max-flops 0.5 --method l1 --finetune-epochs 0 --no-speed"


def test_it_is_pruned_at_the_size_asked_for_and_found_again(
    cli, publish: Callable[..., keras.Model], tmp_path: Path
) -> None:
    publish()
    run = tmp_path / "run"
    options = f"--image-size 16 --train-size 100 --run-dir {run} {FAST}"
    cli.done(*f"prune --dataset digits --model keras:MobileNetV2 {options}".split())
    config, report = (json.loads((run / f"{name}.json").read_text()) for name in ("config", "report"))
    assert (config["from"], config["backbone"]["input_shape"]) == ("keras:MobileNetV2", [16, 16, 3])
    assert report["details"]["pixels"] == "0:255, which keras:MobileNetV2 scales itself"
    cli.done(*f"finetune {run} --epochs 1 --distill 0.5".split())


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "--model keras:MobilNetV2",
            "--model keras:MobilNetV2 must be an image classifier of keras.applications, but there is none of that "
            "name; write for example keras:MobileNetV2. Did you mean",
        ),
        (
            "--model keras:VGG16",
            "--model keras:VGG16 needs its weights, but vgg16_weights_tf_dim_ordering_tf_kernels.h5 is",
        ),
        ("--model keras:VGG16 --from run", "--model and --from must not be given together"),
        ("--model keras:VGG16 --download --pixels 0:1", "--pixels must be 0:255 for keras:VGG16"),
        (
            "--download",
            "--download needs a set of TensorFlow Datasets or of a plug-in, or a pretrained --model",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(cli, tmp_path: Path, line: str, words: str) -> None:
    outcome = cli(*f"prune --dataset digits {line} --max-flops 0.5 --run-dir {tmp_path / 'run'}".split())
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert not (tmp_path / "run").exists()


def test_shrink_takes_it(cli, publish, tmp_path: Path) -> None:
    publish()
    np.savez(tmp_path / "some.npz", inputs=np.random.default_rng(0).uniform(0, 255, (64, 16, 16, 3)))
    options = f"--image-size 16 --max-flops 0.5 --inputs npz:{tmp_path / 'some.npz'} --out {tmp_path / 'small.keras'}"
    cli.done(*f"shrink keras:MobileNetV2 {options}".split())
    assert keras.saving.load_model(tmp_path / "small.keras").input_shape == (None, 16, 16, 3)


def test_inspect_needs_no_weights(cli, publish) -> None:
    publish()
    weight_file("MobileNetV2").unlink()
    outcome = cli.done("inspect", "keras:MobileNetV2", "--image-size", "16")
    assert "tiny" in outcome.stdout or "keras:MobileNetV2" in outcome.stdout


def test_a_size_needs_a_network_that_has_none(cli, tmp_path: Path) -> None:
    (tmp_path / "own.keras").touch()
    assert (
        "--image-size needs --backbone or a pretrained network"
        in cli("inspect", tmp_path / "own.keras", "--image-size", "16").stderr
    )
