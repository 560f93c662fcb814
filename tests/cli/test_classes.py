"""Commands on a run find classes by their names, and data wherever the run found it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import stamp_tf
from stamp_tf.data import DataSet, ImageSet, load_dataset
from stamp_tf.errors import StampError
from stamp_tf.export.card import read_card

# Darkest first, as the toy images have their labels.
NAMES = ("airplane", "bird", "car", "deer", "dog")
AT_ONCE = ("--max-flops", 0.5, "--finetune-epochs", 0, "--no-speed", "--export", "keras")


def report(run: Path) -> dict:
    return json.loads((run / "report.json").read_text())


@pytest.fixture(scope="module")
def site(cli, toy_on_path, toy_images, pretrained, tmp_path_factory) -> Path:
    """A folder with `toys.npz`, whose classes have names, and `run`, pruned there for it by a relative path."""
    folder = tmp_path_factory.mktemp("named")
    toy_images(folder / "toys.npz", class_names=NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = ("--dataset", "npz:toys.npz", "--from", pretrained, *AT_ONCE)
        cli.done("prune", *options, "--run-dir", "run")
    return folder


@pytest.fixture
def run(site: Path, toy, tmp_path: Path) -> Path:
    """The run, of the test's own, with the current folder elsewhere."""
    return shutil.copytree(site / "run", tmp_path / "run")


@pytest.fixture
def toys(site: Path) -> DataSet:
    """The data set of the run."""
    return load_dataset(f"npz:{site / 'toys.npz'}")


@pytest.fixture
def write(tmp_path: Path, toys: DataSet):
    """Write the toy images with the classes in another order, or some of them, or under other names."""

    def save(name: str, classes: tuple[str, ...], *, named: tuple[str, ...] | None = None, **changes) -> str:
        arrays = {}
        for part, images in (("train", toys.train), ("test", toys.test)):
            kept = np.array([NAMES[label] in classes for label in images.labels])
            arrays[f"x_{part}"] = images.images[kept]
            arrays[f"y_{part}"] = np.array([classes.index(NAMES[label]) for label in images.labels[kept]])
        arrays["class_names"] = np.array(named or classes)
        arrays |= changes
        arrays = {key: value for key, value in arrays.items() if value is not None}
        np.savez(tmp_path / name, **arrays)
        return f"npz:{tmp_path / name}"

    return save


def write_folder(root: Path, dataset: DataSet, *, rename: dict[str, str]) -> str:
    """Write a data set as folders of PNG files, which keep every pixel."""
    for part, images in (("train", dataset.train), ("test", dataset.test)):
        for index, (image, label) in enumerate(zip(images.images, images.labels, strict=True)):
            name = dataset.class_names[label]
            folder = root / part / rename.get(name, name)
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(folder / f"{index:04}.png")
    return f"folder:{root}"


def test_accuracy_does_not_depend_on_the_order_of_the_classes(cli, run, write):
    expected = f"Test accuracy  {100 * report(run)['test_accuracy']:.2f} % of 40 images"
    assert report(run)["test_accuracy"] > 0.5
    for order in (NAMES[::-1], ("dog", *NAMES[:-1])):
        assert expected in cli.done("evaluate", run, "--dataset", write("other.npz", order)).stdout


def test_names_may_come_from_folders(cli, run, toys, tmp_path):
    spec = write_folder(tmp_path / "same", toys, rename={})
    expected = f"Test accuracy  {100 * report(run)['test_accuracy']:.2f} % of 40 images"
    assert expected in cli.done("evaluate", run, "--dataset", spec).stdout


@pytest.mark.parametrize("command", ["evaluate", "finetune"])
def test_another_case_is_another_class(cli, run, toys, tmp_path, command):
    spec = write_folder(tmp_path / "case", toys, rename={"dog": "Dog"})
    before = report(run)
    message = cli.refused(command, run, "--dataset", spec)
    assert "'dog' is missing and 'Dog' is none of them (did you mean 'dog' for 'Dog'?)" in message
    assert report(run) == before


def test_fewer_classes_are_evaluated_and_said_but_not_trained_on(cli, run, write):
    spec = write("fewer.npz", ("dog", "bird", "car"))
    result = cli.done("evaluate", run, "--dataset", spec)
    assert "of 24 images of 3 of 5 classes" in result.stdout
    assert "3 of the network's 5 classes occur in the test images" in result.stderr
    assert "'airplane' and 'deer' are missing" in cli.refused("finetune", run, "--dataset", spec)


def test_numbers_are_not_taken_for_names(cli, run, write):
    spec = write("numbered.npz", NAMES, class_names=None)
    assert "its 5 classes are only numbered" in cli.refused("evaluate", run, "--dataset", spec)


def test_a_data_set_from_python_goes_through_the_same_door(run, toys):
    def turned(part: ImageSet) -> ImageSet:
        return ImageSet(part.images, (part.labels + 1) % 5, 5, class_names=(NAMES[-1], *NAMES[:-1]))

    other = DataSet("turned", turned(toys.train), turned(toys.test))
    assert stamp_tf.evaluate(run, other) == report(run)["test_accuracy"]
    wrong = DataSet(
        "wrong",
        *(ImageSet(part.images, part.labels, 5, class_names=tuple("abcde")) for part in (toys.train,) * 2),
    )
    with pytest.raises(StampError, match="must have the 5 classes of the network"):
        stamp_tf.evaluate(run, wrong)


def test_history_has_a_step_for_every_data_set(cli, run, write, site):
    spec = write("other.npz", NAMES[::-1], x_test=None, y_test=None)
    other = load_dataset(spec)
    first = report(run)
    result = cli.done("finetune", run, "--dataset", spec, "--epochs", 2, "--batch-size", 32)
    after = report(run)
    assert [(step["step"], step["dataset"]) for step in after["history"]] == [
        ("prune", "npz:toys.npz"),
        ("finetune", spec),
    ]
    one, two = after["history"]
    assert one["path"] == str(site / "toys.npz")
    assert (one["test_images"], two["test_images"]) == (40, len(other.test))
    assert (two["train_images"], two["epochs"]) == (len(other.train), 2)
    assert (one["digest"]["classes"], two["command"][:8]) == (two["digest"]["classes"], "stamp-tf")
    assert one["digest"]["test"] != two["digest"]["test"]
    # The headline is of the last step.
    assert (after["dataset"], after["details"]["test_images"]) == (spec, len(other.test))
    assert after["test_accuracy"] == two["test_accuracy"]
    assert one["test_accuracy"] == first["test_accuracy"]
    # The curve begins anew on other images.
    assert [(point["entry"], point["epoch"]) for point in after["curve"]] == [(0, 0), (1, 0), (1, 1), (1, 2)]
    page = (run / "report.html").read_text()
    assert 'id="history"' in page
    assert 'class="mark"' in page
    for words in (f"of {len(other.test)} images", "Steps", "finetune"):
        assert words in result.stdout
    assert tuple(read_card(run / "model.keras")["class_names"]) == NAMES


def test_paths_are_remembered_in_full(site, pretrained):
    config = json.loads((site / "run/config.json").read_text())
    assert config["dataset"] == f"npz:{site / 'toys.npz'}"
    assert config["from"] == str(pretrained)
    assert config["data"]["digest"] == report(site / "run")["history"][0]["digest"]


def test_evaluation_from_another_folder_takes_the_images_of_the_run(
    cli, run, tmp_path, monkeypatch, make_images
):
    make_images("toys.npz", num_test=3, class_names=NAMES)
    monkeypatch.chdir(tmp_path)
    result = cli.done("evaluate", run)
    assert f"{100 * report(run)['test_accuracy']:.2f} % of 40 images" in result.stdout
    assert "no longer" not in result.stderr


def test_images_that_changed_are_said_and_images_that_are_gone_have_a_remedy(
    cli, toy, tmp_path, pretrained, make_images, monkeypatch
):
    path = make_images("mine.npz", class_names=NAMES)
    monkeypatch.chdir(tmp_path)
    cli.done("prune", "--dataset", "npz:mine.npz", "--from", pretrained, *AT_ONCE, "--run-dir", "run")
    make_images("mine.npz", num_test=3, class_names=NAMES)
    assert "it has other test images (40 then, 15 now)" in cli.done("evaluate", "run").stderr
    path.unlink()
    message = cli.refused("evaluate", "run")
    assert "bring it back, or name another of the same classes with --dataset" in message


def test_a_run_resumes_by_another_spelling_of_its_paths_but_not_on_other_images(
    cli, toy, tmp_path, pretrained, make_images, monkeypatch, interrupt
):
    path = make_images("mine.npz", class_names=NAMES)
    monkeypatch.chdir(tmp_path)
    options = ("--from", pretrained, "--run-dir", "run", *AT_ONCE, "--finetune-epochs", 2, "--batch-size", 32)
    interrupt(5)
    assert cli("prune", "--dataset", "npz:mine.npz", *options).exit_code == 130
    content = path.read_bytes()
    make_images("mine.npz", num_train=19, class_names=NAMES)
    message = cli.refused("prune", "--dataset", "npz:mine.npz", *options, "--resume")
    assert "has other training images and test images now" in message
    path.write_bytes(content)
    cli.done("prune", "--dataset", f"npz:{path}", *options, "--resume")
