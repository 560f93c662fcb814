"""Names that nobody knows, and data sets that cannot be used."""

import shutil
import time

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("prune", ("--dataset", "digts"), "'digits'"),
        ("prune", ("--dataset", "cifer10"), "'cifar10'"),
        ("pretrain", ("--dataset", "digits", "--backbone", "vgg-19"), "'vgg19'"),
        ("prune", ("--dataset", "digits", "--method", "stomp"), "'stamp'"),
        ("meta-train", ("--set-encoder", "settransformer"), "'set-transformer'"),
        ("meta-train", ("--mask-generator", "scores"), "'score'"),
    ],
)
def test_unknown_name_suggests_the_nearest(refused, command, arguments, expected):
    assert f"Did you mean {expected}?" in refused(command, *arguments)


def test_unprepared_set_without_download_answers_at_once(refused, tmp_path):
    started = time.perf_counter()
    message = refused("prune", "--dataset", "cifar10", "--data-dir", tmp_path)
    assert "cifar10 must be prepared before use" in message
    assert "--download" in message
    assert time.perf_counter() - started < 30


def test_missing_folder(refused, tmp_path):
    assert "must be a folder, but is not there" in refused("prune", "--dataset", f"folder:{tmp_path}/no")


def test_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "must hold a sub-folder of images per class" in refused(
        "prune", "--dataset", f"folder:{tmp_path}/empty"
    )


def test_folder_of_one_class(refused, folder):
    shutil.rmtree(folder / "dog")
    assert "holds only 'cat'" in refused("prune", "--dataset", f"folder:{folder}")


def test_corrupt_image_is_named_and_skipped_only_on_request(
    usual, refused, cli, folder, tmp_path, pretrained
):
    (folder / "cat/3.png").write_bytes(b"no picture")
    message = refused("prune", "--dataset", f"folder:{folder}")
    assert "cat/3.png cannot be decoded" in message
    assert "--skip-corrupt" in message
    result = cli.done(
        *("prune", *usual["prune"], "--dataset", f"folder:{folder}", "--skip-corrupt"),
        *("--from", pretrained, "--max-flops", 0.5, "--run-dir", tmp_path / "run"),
    )
    assert "skipped cat/3.png" in result.stderr


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"x_train": np.zeros((10, 16, 16, 3), np.float32)}, "x_train must be uint8"),
        ({"x_train": np.zeros((10, 16, 16, 4), np.uint8)}, "x_train must have shape [n, H, W, D]"),
        ({"y_train": np.arange(9) % 2}, "y_train must have shape [10]"),
        ({"y_train": np.arange(10) / 2}, "y_train must hold integers"),
        ({"y_train": np.arange(10) % 2 - 1}, "y_train must hold the labels 0 to n - 1"),
        ({"x_test": np.zeros((4, 16, 16, 3), np.uint8), "y_test": np.full(4, 2)}, "labels in [0, 2)"),
    ],
)
def test_npz_with_wrong_content(refused, tmp_path, changes, expected):
    arrays = {"x_train": np.zeros((10, 16, 16, 3), np.uint8), "y_train": np.arange(10) % 2}
    np.savez(tmp_path / "data.npz", **(arrays | changes))
    assert expected in refused("prune", "--dataset", f"npz:{tmp_path}/data.npz")


def test_npz_that_is_missing_or_none(refused, tmp_path):
    assert "must be a file, but there is none" in refused("prune", "--dataset", f"npz:{tmp_path}/no.npz")
    (tmp_path / "text.npz").write_text("hello")
    assert "must be an .npz file" in refused("prune", "--dataset", f"npz:{tmp_path}/text.npz")


def test_fewer_classes_than_ways(refused):
    assert "--ways must be at most the number of classes, but is 6 and" in refused("meta-train", "--ways", 6)


def test_fewer_images_than_shots(refused):
    assert "--shots must be at most the number of images of every class, but is 21" in refused(
        "meta-train", "--shots", 21
    )


def test_mini_batches_that_do_not_divide_the_set(refused):
    message = refused("meta-train", "--inner-batches", 3, "--shots", 5)
    assert "--inner-batches must divide ways x shots = 10" in message
