"""A new kind of limit is one file and one line: it is added to a copy of the library, and everything knows it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import stamp_tf

KIND = '''
"""The limit on channels."""

from stamp_tf.limits.kind import CountedKind


class Channels(CountedKind):
    name = "max_channels"
    quantity = "channels"
    help = "Keep at most so many channels in all."
    metavar = "COUNT"
    rule = "a number of at least 1"
    example = "100 leaves a hundred channels"
    needs_image_size = False

    def is_in_range(self, value):
        return 1 <= value < float("inf")

    def parse(self, text):
        if not text.isdecimal():
            raise ValueError(f"{text!r} must be a whole number, such as 100.")
        return float(text)

    def as_typed(self, value):
        return f"{value:g}"

    def measure(self, cost, mask, value):
        return float(mask.num_kept)

    def enough(self, cost, mask):
        return f"{mask.num_kept}"
'''
LINE = '    "channels:Channels",\n'
# One process for all questions, because loading Keras takes most of the time.
QUESTIONS = """
import json, sys
from pathlib import Path
import keras
from click.testing import CliRunner
from keras import layers
import stamp_tf
from stamp_cli.main import stamp_tf as command
from stamp_tf.errors import StampError
from stamp_tf.pruned_runs.masks import read_masks
from stamp_tf.options.prune import PruneConfig
from stamp_tf.pruning.config import budget_of
from stamp_tf.options.finetune import FinetuneConfig

image = x = keras.Input((8, 8, 1))
for filters in (6, 8):
    x = layers.Conv2D(filters, 3, padding="same")(x)
model = keras.Model(image, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))
options = dict(method="l1", finetune=FinetuneConfig(epochs=0))
dataset = stamp_tf.load_dataset("digits", train_size=20)
result = stamp_tf.prune(dataset, model, max_channels=9, **options)
stamp_tf.export_run(result, "run", speed=False)
model.save("own.keras")
run = lambda *words: CliRunner().invoke(command, ["prune", *words])
own = ("--dataset", "digits", "--train-size", "20", "--model", "own.keras", "--finetune-epochs", "0", "--no-speed")
cli = run(*own, "--max-channels", "7", "--run-dir", "typed")
def refused(*words):
    done = run(*own, *words)
    return [done.exit_code, done.stderr.strip().splitlines()[-1]]
def unreachable():
    try:
        stamp_tf.prune(dataset, model, max_channels=1, **options)
    except StampError as error:
        return str(error)
print(json.dumps({
    "help": run("--help").stdout,
    "kept": [result.mask.num_kept, read_masks("typed").num_kept],
    "config": [json.loads(Path(folder, "config.json").read_text())["max_channels"] for folder in ("run", "typed")],
    "details": json.loads(Path("run/report.json").read_text())["details"],
    "budget": [read_masks("run").budget, read_masks("run").to_json()["max_channels"]],
    "page": Path("run/report.html").read_text(),
    "field": budget_of(PruneConfig(max_channels=9)).limits[0].value,
    "not_typed": refused("--max-channels", "few"),
    "too_few": refused("--max-channels", "1"),
    "none": refused(),
    "unreachable": unreachable(),
}))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a copy of the library says that has one file and one line more."""
    folder, package = tmp_path_factory.mktemp("library"), Path(stamp_tf.__file__).parent
    copy = folder / "stamp_tf"
    copy.mkdir()
    for part in package.iterdir():
        if part.name != "limits":
            (copy / part.name).symlink_to(part)
    shutil.copytree(package / "limits", copy / "limits")
    (copy / "limits" / "channels.py").write_text(KIND)
    kinds = copy / "limits" / "kinds.py"
    last = '    "latency:Latency",\n'
    assert last in kinds.read_text()
    kinds.write_text(kinds.read_text().replace(last, last + LINE))
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", QUESTIONS],
        cwd=tmp_path_factory.mktemp("work"),
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


pytestmark = pytest.mark.slow


def test_the_command_line_takes_it(answers: dict) -> None:
    words = " ".join(answers["help"].split())
    assert "--max-channels COUNT[,...] Keep at most so many channels in all." in words
    code, line = answers["not_typed"]
    assert code == 2
    assert "Invalid value for '--max-channels': 'few' must be a whole number, such as 100." in line


def test_a_cut_meets_it_exactly(answers: dict) -> None:
    assert answers["kept"] == [9, 7]
    assert answers["field"] == 9


def test_runs_and_pages_tell_of_it(answers: dict) -> None:
    assert answers["config"] == [9, 7]
    assert answers["details"]["max_channels"] == "9"
    assert answers["budget"] == ["channels ≤ 9", 9]
    assert "max_channels" in answers["page"] or "max channels" in answers["page"]


def test_what_is_out_of_reach_is_refused_in_both_languages(answers: dict) -> None:
    code, line = answers["too_few"]
    assert code == 2
    assert "--max-channels must allow the smallest reachable network (parameters" in line
    assert "channels 2), but got 1; raise it" in line
    assert answers["unreachable"].startswith("max_channels must allow")


def test_it_is_among_the_budgets_to_add(answers: dict) -> None:
    assert answers["none"][0] == 2
    assert "--max-latency or --max-channels" in answers["none"][1]
