"""The pages for those who bring photographs alone, or a network of another task, do what they say."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from stamp_cli.main import stamp_tf

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture
def run_commands() -> Callable[[Path], list[str]]:
    """Run the commands of a page, those in blocks of a shell, in the order given; returns what each printed."""

    def run(page: Path) -> list[str]:
        printed = []
        for line in "".join(BLOCK.findall(page.read_text())).splitlines():
            done = CliRunner().invoke(stamp_tf, shlex.split(line)[1:])
            assert done.exit_code == 0, (line, done.output, done.exception)
            printed.append(done.stdout)
        return printed

    return run


def take_pictures(folder: Path, number: int) -> None:
    """Save noisy pictures, bright above or bright below."""
    rng = np.random.default_rng(number)
    for name, bright in (("above", slice(0, 20)), ("below", slice(20, 40))):
        (folder / name).mkdir(parents=True)
        for place in range(number):
            pixels = rng.integers(0, 90, (40, 40, 3))
            pixels[bright] += 120
            Image.fromarray(pixels.astype("uint8")).save(folder / name / f"{place}.png")


@pytest.mark.slow
def test_photographs_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_commands) -> None:
    monkeypatch.chdir(tmp_path)
    take_pictures(tmp_path / "photos", 12)
    take_pictures(tmp_path / "new", 3)
    printed = run_commands(DOCS / "photographs.md")
    assert len(printed) == 5
    assert "model_int8.tflite" in printed[0]
    answers = (tmp_path / "answers.csv").read_text().splitlines()
    assert len(answers) == 7
    assert all(line.split(",")[0].split("/")[1] in ("above", "below") for line in answers[1:])


def test_another_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_page, run_commands) -> None:
    monkeypatch.chdir(tmp_path)
    names, shown = run_page(DOCS / "another-task.md")
    assert shown == 2
    run_commands(DOCS / "another-task.md")
    small = keras.saving.load_model(tmp_path / "small.keras", compile=False)
    assert small.count_params() == names["small"].count_params()
