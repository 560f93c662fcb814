"""A toy backbone, toy images, and runs of both, made through the command line."""

import importlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from stamp_cli.main import stamp_tf

EXPORTER = """

def two_files(model, path, **options):
    path.with_suffix(".data").write_text(str(sum(float(abs(weight).sum()) for weight in model.get_weights())))
    path.write_text("graph")
    return path
"""
PRETRAIN = ("--backbone", "toy", "--image-size", "16", "--epochs", "1", "--budget-epochs", "2")
PRUNE = ("--max-flops", "0.5", "--finetune-epochs", "2", "--no-speed", "--batch-size", "32")


class CommandLine:
    """`stamp-tf` in this process: `cli("prune", ...)`, `cli.done(...)`, `cli.refused(...)`.

    A later option takes the place of an earlier one, so that a test can start from the usual ones.
    """

    def __call__(self, *arguments: object, as_typed: bool = False) -> Result:
        """Run a command; `as_typed` keeps options that come twice."""
        typed = [str(argument) for argument in arguments]
        return CliRunner().invoke(stamp_tf, typed if as_typed else last_of_each(typed))

    def done(self, *arguments: object) -> Result:
        """Run a command that has to succeed."""
        result = self(*arguments)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.stderr
        return result

    def refused(self, *arguments: object, as_typed: bool = False) -> str:
        """Run a command that has to refuse its input, in one line and with code 2; return the line."""
        result = self(*arguments, as_typed=as_typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 2, result.stderr
        errors = result.stderr[result.stderr.index("Error: ") :]
        assert errors.count("\n") == 1, errors
        assert result.stdout == ""
        return errors.removeprefix("Error: ").strip()


def last_of_each(arguments: list[str]) -> list[str]:
    """Drop what a later option of the same name replaces, together with its value."""
    kept: list[str] = []
    for place, argument in enumerate(arguments):
        option = argument if argument.startswith("--") else arguments[place - 1] if place else ""
        start = place if option is argument else place - 1
        is_repeatable = option in ("--keep", "--export") or option.endswith("-option")
        if is_repeatable or not option.startswith("--") or option not in arguments[start + 1 :]:
            kept.append(argument)
    return kept


def write_images(
    path: Path,
    *,
    num_classes: int = 5,
    num_train: int = 20,
    num_test: int = 8,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Write gray-level classes as an .npz data set of 16 x 16 pixels, so many images per class, darkest first."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", num_train), ("test", num_test)):
        labels = np.repeat(np.arange(num_classes), count)
        level = 40 + 170 * labels / max(1, num_classes - 1)
        noisy = level[:, None, None, None] + rng.normal(0, 12, (len(labels), 16, 16, 3))
        arrays |= {f"x_{part}": noisy.clip(0, 255).astype(np.uint8), f"y_{part}": labels}
    if class_names is not None:
        arrays["class_names"] = np.array(class_names)
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def cli() -> CommandLine:
    """The command line, run in this process."""
    return CommandLine()


@pytest.fixture(scope="session")
def toy_site(toy_package: Callable[..., Path]) -> Path:
    """A folder that, once on the path, declares the backbone `toy` and the exporter `two-files`."""
    exporters = {"stamp_tf.exporters": ["two-files = toynets:two_files"]}
    return toy_package("toynets", {"toy": "strided"}, more=exporters, source=EXPORTER)


@pytest.fixture
def toy(toy_site, monkeypatch) -> None:
    """Make the backbone `toy` known for the length of a test."""
    # By the same means as other plug-ins of a test, or else undoing theirs would bring this one back.
    monkeypatch.syspath_prepend(toy_site)
    importlib.invalidate_caches()


@pytest.fixture(scope="module")
def toy_on_path(toy_site, on_path) -> Iterator[None]:
    """The same for the length of a file."""
    with on_path(toy_site):
        yield


@pytest.fixture
def toy_environment(toy_site) -> dict[str, str]:
    """An environment in which other processes know the backbone `toy` too."""
    paths = [str(toy_site), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def make_images(tmp_path) -> Callable[..., Path]:
    """Write an .npz data set of the test's own: `make_images("name.npz", num_classes=3)`."""
    return lambda name, **counts: write_images(tmp_path / name, **counts)


@pytest.fixture(scope="session")
def toy_images() -> Callable[..., Path]:
    """Write an .npz data set anywhere: `toy_images(path, num_classes=3)`."""
    return write_images


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> str:
    """Five classes of toy images, as written after --dataset."""
    return f"npz:{write_images(tmp_path_factory.mktemp('data') / 'toys.npz')}"


@pytest.fixture(scope="session")
def pretrained(cli, tmp_path_factory, toy_site, on_path, images) -> Path:
    """A run of `pretrain`; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "reference"
    with on_path(toy_site):
        cli.done("pretrain", *PRETRAIN, "--dataset", images, "--run-dir", path)
    return path


@pytest.fixture(scope="session")
def pruned_once(cli, tmp_path_factory, toy_site, on_path, images, pretrained) -> Path:
    """A run of `prune`; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "pruned"
    with on_path(toy_site):
        cli.done("prune", *PRUNE, "--dataset", images, "--from", pretrained, "--run-dir", path)
    return path


@pytest.fixture
def pruned(toy, tmp_path, pruned_once) -> Path:
    """A run of `prune` of the test's own."""
    return shutil.copytree(pruned_once, tmp_path / "pruned")


@pytest.fixture
def interrupt(monkeypatch) -> Callable[[int], None]:
    """Interrupt whatever runs next at its nth step, as Ctrl-C does, once."""
    from stamp_cli.progress import Progress

    shown = Progress.__call__

    def at_step(number: int) -> None:
        steps = []

        def show(self: Progress, *arguments: object) -> None:
            shown(self, *arguments)
            steps.append(arguments)
            if len(steps) == number:
                raise KeyboardInterrupt

        monkeypatch.setattr(Progress, "__call__", show)

    return at_step
