"""Data that would hang, run programs, fill the memory or be taken for something else: one line, exit code 2, no run."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def float_counts(root: Path) -> None:
    Image.fromarray(np.linspace(0, 4095, 256, dtype=np.float32).reshape(16, 16)).save(root / "cat/x.tif")


def eps_as_jpg(root: Path) -> None:
    Image.new("RGB", (16, 16), "red").save(root / "cat/x.eps")
    (root / "cat/x.eps").rename(root / "cat/x.jpg")


def parts_as_classes(root: Path) -> None:
    (root / "cat").rename(root / "Training")
    (root / "dog").rename(root / "Testing")


SPOILERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (lambda root: os.mkfifo(root / "cat/x.png"), "cat/x.png cannot be decoded: not a regular file"),
    "device": (lambda root: (root / "cat/x.png").symlink_to("/dev/zero"), "not a regular file"),
    "program": (eps_as_jpg, "cat/x.jpg cannot be decoded: not an image of BMP"),
    "parts as classes": (parts_as_classes, "'Testing' and 'Training' read like parts of a data set"),
    "class of control characters": (
        lambda root: (root / "cat").rename(root / "c\x1b[2Jat"),
        r"class names of printable characters, but one is 'c\x1b[2Jat'",
    ),
    "file of control characters": (
        lambda root: (root / "cat/x\x1b[2J.png").write_bytes(b"junk"),
        r"cat/x\x1b[2J.png cannot be decoded",
    ),
    "unknown range": (float_counts, "floating-point values reach 4095"),
    "huge file": (lambda root: os.truncate(root / "cat/0.png", 2**40), "more than a picture may have"),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_hostile_folders_are_refused(cli, toy, tmp_path, pretrained, name):
    rng = np.random.default_rng(0)
    for index in range(8):
        path = tmp_path / "pets" / ("cat", "dog")[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    spoil, message = SPOILERS[name]
    spoil(tmp_path / "pets")
    options = ("--max-flops", 0.5, "--from", pretrained, "--run-dir", tmp_path / "run")
    assert message in cli.refused("prune", "--dataset", f"folder:{tmp_path / 'pets'}", *options)
    assert not (tmp_path / "run").exists()


def encrypt(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(signature) + flags] |= 1
    path.write_bytes(content)


def flip_a_header_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 4] ^= 0xFF
    content[content.index(b"descr")] ^= 0xFF
    path.write_bytes(content)


def declare_too_much(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file, file.open("x_train.npy", "w") as member:
        header = {"descr": "|u1", "fortran_order": False, "shape": (10**6, 1000, 1000, 3)}
        np.lib.format.write_array_header_1_0(member, header)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("y_train.npy", b"")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (encrypt, "must not be encrypted, but x_train is"),
        (flip_a_header_byte, "must be a whole .npz file, but is damaged"),
        (declare_too_much, "damaged (x_train declares 3,000,000,000,000 bytes and has 0)"),
    ],
)
def test_hostile_arrays_are_refused(cli, toy, tmp_path, make_images, pretrained, spoil, message):
    path = make_images("set.npz")
    spoil(path)
    options = ("--max-flops", 0.5, "--from", pretrained, "--run-dir", tmp_path / "run")
    assert message in cli.refused("prune", "--dataset", f"npz:{path}", *options)
    assert not (tmp_path / "run").exists()
