"""References that are none, or of another network."""

import shutil

import numpy as np
import pytest


@pytest.mark.parametrize("command", ["prune", "meta-train"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--backbone", "vgg19"), "--backbone must be that of the reference, but is vgg19 and"),
        (("--width", "0.25"), "--width must be that of the reference, but is 0.25 and"),
        (("--image-size", "32"), "--image-size must be that of the reference, but is 32x32x3 and"),
    ],
)
def test_checkpoint_of_another_network(refused, images, command, arguments, expected):
    message = refused(command, "--dataset", images, *arguments)
    assert expected in message
    assert message.endswith("or name another reference with --from.")


def test_backbone_without_a_bundled_reference(refused, images):
    arguments = ("--dataset", images, "--backbone", "toy", "--max-flops", 0.5)
    assert "--from is needed for --backbone toy" in refused("prune", *arguments, source=None)


@pytest.mark.parametrize("damage", ["truncated", "text", "image", "array", "state", "missing"])
@pytest.mark.parametrize("command", ["prune", "meta-train"])
def test_checkpoint_that_is_none(write_picture, refused, images, tmp_path, pretrained, command, damage):
    path = tmp_path / "reference.npz"
    content = (pretrained / "reference.npz").read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("weights")
    elif damage == "image":
        write_picture(tmp_path / "image.png", 3)
        path.write_bytes((tmp_path / "image.png").read_bytes())
    elif damage == "array":
        np.savez(path, weights=np.zeros(3))
    elif damage == "state":
        shutil.copy(next((pretrained / "checkpoints").glob("*.npz")), path)
    message = refused(command, "--dataset", images, source=path)
    assert any(words in message for words in ("heckpoint must", "must name a reference", "is not there"))
    assert "reference.npz" in message


def test_run_of_another_kind_as_reference(refused, images, pruned_once):
    message = refused("prune", "--dataset", images, source=pruned_once)
    assert "--from must be a run directory of pretrain or meta-train, but" in message
