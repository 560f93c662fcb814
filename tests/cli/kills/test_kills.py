"""A kill before any write of any command loses nothing: what goes on from it ends as if nobody had killed it."""

import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TINY = ("--dataset", "IMAGES", "--batch-size", 12)
PRETRAIN = ("pretrain", *TINY, "--backbone", "toy", "--image-size", "16", "--run-dir", "RUN")
EPISODES = ("--tasks", 1, "--ways", 2, "--shots", 4, "--inner-batches", 2, "--outer-steps", 3)
ENCODER = (
    *("--set-encoder", "deep-sets"),
    *("--set-encoder-option", "width=4", "--set-encoder-option", "num_outputs=2"),
)
TO_RUN = ("prune", *TINY, "--from", "REFERENCE", "--no-speed", "--run-dir", "RUN")
PRUNE = (*TO_RUN, "--max-flops", 0.5)
SWEEP = (*TO_RUN, "--max-flops", "0.6,0.4", "--finetune-epochs", 1, "--export", "keras")


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Args:
        arguments: What is typed; IMAGES, REFERENCE and RUN stand for paths.
        starts_from: The run that lies in RUN at first: none, a pruned one, one with exports of several formats, one
            that is used: exported, with a further training that was interrupted, and with a file of its user; or a
            sweep, with one, too.
        goes_on_by: What is added to go on; nothing repeats the command.
    """

    arguments: tuple[Any, ...]
    starts_from: str | None = None
    goes_on_by: tuple[str, ...] = ("--resume",)

    @property
    def starts_anew(self) -> bool:
        """Whether what lay there must not matter, the files of its user apart."""
        return "--overwrite" in self.arguments


SCENARIOS = {
    "pretrain": Scenario((*PRETRAIN, "--epochs", 1, "--budget-epochs", 2)),
    "meta-train": Scenario(("meta-train", *EPISODES, *ENCODER, "--from", "REFERENCE", "--run-dir", "RUN")),
    "prune": Scenario((*PRUNE, "--finetune-epochs", 2)),
    "prune-within": Scenario((*TO_RUN, "--within", "30%", "--finetune-epochs", 1, "--export", "keras")),
    "prune-auto": Scenario((*PRUNE, "--method", "auto", "--finetune-epochs", 1, "--export", "keras")),
    "prune-distill": Scenario((*PRUNE, "--distill", 0.5, "--finetune-epochs", 2, "--export", "keras")),
    "sweep": Scenario((*SWEEP, "--method", "remaining-error,l1")),
    "sweep-overwrite": Scenario((*SWEEP, "--overwrite"), "swept", ()),
    "shrink": Scenario(
        ("shrink", "MODEL", "--inputs", "IMAGES", "--out", "SMALL", "--max-flops", 0.7, "--distill-steps", 3),
        goes_on_by=("--overwrite",),
    ),
    "prune-overwrite": Scenario((*PRUNE, "--finetune-epochs", 1, "--overwrite"), "used", ()),
    "pretrain-overwrite": Scenario(
        (*PRETRAIN, "--epochs", 1, "--budget-epochs", 0, "--overwrite"), "used", ()
    ),
    "finetune": Scenario(("finetune", "RUN", "--batch-size", 12, "--epochs", 2), "pruned"),
    "prune-exports": Scenario((*PRUNE, "--finetune-epochs", 1, "--export", "two-files")),
    "finetune-exports": Scenario(("finetune", "RUN", "--batch-size", 12, "--epochs", 1), "exported"),
    "export": Scenario(("export", "RUN"), "pruned", ()),
    "export-keras": Scenario(("export", "RUN", "--format", "keras"), "pruned", ()),
    "export-plug-in": Scenario(("export", "RUN", "--format", "two-files"), "pruned", ()),
}
NOTE = "thesis.txt"
# Those that a fast check takes: of each scenario a few, spread over its writes.
FAST = {
    "pretrain": 2,
    "meta-train": 1,
    "prune": 2,
    "prune-overwrite": 1,
    "prune-within": 1,
    "sweep": 2,
    "sweep-overwrite": 1,
    "shrink": 1,
    "prune-exports": 1,
    "finetune": 3,
    "finetune-exports": 2,
    "export": 1,
    "export-plug-in": 2,
}


class Killing:
    """Runs a scenario once and goes on from what kills would have left."""

    def __init__(
        self, cli: Any, harness: Any, names: dict[str, str], bases: dict[str, Path], store: Path
    ) -> None:
        self.cli, self.harness, self.names, self.bases, self.store = cli, harness, names, bases, store
        self.run = Path(names["RUN"])
        self.recorded: dict[str, tuple[list[Any], dict[str, Any]]] = {}

    def type_in(self, scenario: Scenario, *more: str) -> Any:
        return self.cli(*(self.names.get(word, word) for word in scenario.arguments), *more)

    def record(self, scenario: Scenario) -> tuple[list[Any], dict[str, Any]]:
        """Run a command to its end; return the images of its folder before each write, and what it is to make.

        That is what it made, and for one that starts anew what it makes where nothing lay.
        """
        fresh = None
        if scenario.starts_anew:
            shutil.rmtree(self.run, ignore_errors=True)
            self.done(scenario)
            (self.run / NOTE).touch()
            fresh = self.harness.contents(self.run)
        self.prepare(scenario)
        with self.harness.images_of(self.run, self.store) as images:
            self.done(scenario)
        made = self.harness.contents(self.run)
        if fresh is not None:
            assert not self.harness.differences(made, fresh)
        return images, made

    def told(self, name: str) -> tuple[list[Any], dict[str, Any]]:
        """Record a scenario by its name, once for all tests."""
        if name not in self.recorded:
            store, self.store = self.store, self.run.parent / f"images-{name}"
            self.recorded[name] = self.record(SCENARIOS[name])
            self.store = store
        return self.recorded[name]

    def prepare(self, scenario: Scenario) -> None:
        """Make the folder what it is before the command."""
        shutil.rmtree(self.run, ignore_errors=True)
        if scenario.starts_from is not None:
            shutil.copytree(self.bases[scenario.starts_from], self.run)

    def done(self, scenario: Scenario) -> None:
        """Run a command that has to succeed."""
        result = self.type_in(scenario)
        assert result.exit_code == 0, result.stderr

    def go_on(self, scenario: Scenario, image: Any) -> dict[str, Any]:
        """Go on as a user would from what a kill left, and return what is made."""
        self.harness.restore(image, self.run)
        return self.finish(scenario, f"before write {image.number}, {image.word}")

    def finish(self, scenario: Scenario, where: str) -> dict[str, Any]:
        """Go on from what lies there."""
        result = self.type_in(scenario, *scenario.goes_on_by)
        if result.exit_code == 2 and "leave --resume out" in result.stderr:
            result = self.type_in(scenario)
        assert result.exit_code == 0, f"{where}: {result.stderr} {result.exception!r}"
        return self.harness.contents(self.run)


@pytest.fixture(scope="module")
def killing(cli, harness, toy_on_path, tmp_path_factory, make_tiny_images) -> Killing:
    folder = tmp_path_factory.mktemp("kills")
    names = {
        "IMAGES": f"npz:{make_tiny_images(folder / 'tiny.npz')}",
        "REFERENCE": str(folder / "reference"),
        "RUN": str(folder / "run"),
        "MODEL": str(folder / "pruned/model.keras"),
        "SMALL": str(folder / "run/small.keras"),
    }
    bases = {name: folder / name for name in ("pruned", "exported", "used", "swept")}
    made = Killing(cli, harness, names, bases, folder / "images")
    begun = {
        "reference": SCENARIOS["pretrain"],
        "pruned": SCENARIOS["prune"],
        # One of its budgets is asked for again, the other is not.
        "swept": Scenario((*TO_RUN, "--max-flops", "0.6,0.3", "--finetune-epochs", 1, "--export", "keras")),
    }
    for place, scenario in begun.items():
        made.done(scenario)
        shutil.move(made.run, folder / place)
    (folder / "swept" / NOTE).touch()
    shutil.copytree(folder / "pruned", made.run)
    made.done(SCENARIOS["export-plug-in"])
    shutil.move(made.run, folder / "exported")
    images, _ = made.record(SCENARIOS["finetune"])
    # In the middle, with a state; the lock belongs to no process any more.
    harness.restore(images[len(images) // 2], made.run)
    made.done(SCENARIOS["export-keras"])
    (made.run / NOTE).touch()
    shutil.move(made.run, folder / "used")
    return made


@pytest.fixture(autouse=True)
def states_after_every_step(monkeypatch):
    """Let a short meta-training save more than one state; `SUICIDAL` does the same."""
    monkeypatch.setattr("stamp_tf.meta.outer_loop.SAVE_EVERY", 1)


def survive(killing: Killing, scenario: Scenario, tmp_path: Path, most: int | None = None) -> tuple[int, int]:
    """Go on from so many kills, spread evenly, or from all; return the numbers of kills and of their images."""
    killing.store = tmp_path
    images, expected = killing.record(scenario)
    chosen = killing.harness.different(images)
    assert not [
        path for image in chosen if image.folder for path in killing.harness.half_written(image.folder)
    ]
    if most is not None:
        chosen = chosen[len(chosen) // (2 * most) :: max(1, len(chosen) // most)][:most]
    failures = []
    for image in chosen:
        wrong = killing.harness.differences(killing.go_on(scenario, image), expected)
        if wrong:
            failures.append(f"before write {image.number}, {image.word}: {', '.join(wrong[:5])}")
    assert not failures, "\n".join(failures)
    return len(images), len(chosen)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_some_kills_are_survived(killing, tmp_path, name):
    survive(killing, SCENARIOS[name], tmp_path, FAST[name])


@pytest.mark.kills
@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_kill_is_survived(killing, tmp_path, name, capsys):
    started = time.perf_counter()
    writes, images = survive(killing, SCENARIOS[name], tmp_path)
    with capsys.disabled():
        seconds = time.perf_counter() - started
        sys.stdout.write(
            f"\n{name}: {writes} kills, {images} different images, all survived, {seconds:.0f} s\n"
        )


# What a process does that kills itself, as the system does it, before its nth write below a folder.
SUICIDAL = """
import importlib.util, os, signal, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("harness", sys.argv[1])
harness = importlib.util.module_from_spec(spec)
sys.modules["harness"] = harness
spec.loader.exec_module(harness)
left = int(sys.argv[2])
def act(word):
    global left
    left -= 1
    if not left:
        os.write(2, f"\\n{word}".encode())
        os.kill(os.getpid(), signal.SIGKILL)
import stamp_tf.meta.meta_train
stamp_tf.meta.outer_loop.SAVE_EVERY = 1
from stamp_cli.main import main
sys.argv = ["stamp-tf", *sys.argv[3:]]
with harness.writes_below(Path(os.environ["RUN"]), act):
    main()
"""


@pytest.mark.kills
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"),
    [
        *(("pretrain", number) for number in (9, 17, 30)),
        *(("meta-train", number) for number in (9, 25)),
        *(("prune", number) for number in (14, 24, 34)),
        *(("finetune", number) for number in (12, 30, 45)),
        *(("export", 9), ("export-keras", 5)),
        *(("prune-overwrite", number) for number in (5, 12)),
        *(("prune-within", 14), ("sweep", 40), ("sweep-overwrite", 30), ("shrink", 3)),
    ],
)
def test_a_process_that_is_killed_for_good_leaves_the_same(killing, toy_environment, name, number):
    images, expected = killing.told(name)
    image = images[number - 1]
    process, log = start(killing, name, toy_environment, number)
    process.wait()
    errors = log.read_text()
    assert process.returncode == -signal.SIGKILL, errors
    assert any_process(errors.splitlines()[-1]) == any_process(image.word)
    left, told = (finished_files(killing, folder, image.word) for folder in (killing.run, image.folder))
    assert not killing.harness.differences(left, told)
    where = f"killed at write {number}"
    assert not killing.harness.differences(killing.finish(SCENARIOS[name], where), expected)


@pytest.mark.kills
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sight"),
    [
        ("pretrain", "checkpoints/step-00000001.npz"),
        ("pretrain", "checkpoints/step-00000002.npz"),
        ("meta-train", "checkpoints/step-00000002.npz"),
        ("prune", ".model.*.tmp.keras"),
        ("sweep", "l1-flops-0.6/.model.*.tmp.keras"),
        ("prune", ".saved_model.*.tmp"),
        ("prune", ".saved_model.*.tmp/variables/*"),
        ("prune-overwrite", ".saved_model.*.tmp/variables"),
        ("finetune", "further_training/.saved_model.*.tmp/variables"),
        ("finetune", "further_training/.saved_model.*.tmp/saved_model.pb"),
        ("export", ".saved_model.*.tmp"),
        ("export", ".saved_model.*.tmp/variables"),
        ("export", ".saved_model.*.tmp/variables/variables.index"),
    ],
)
def test_a_process_that_is_killed_from_outside_loses_nothing(killing, toy_environment, name, sight):
    """Kills at no write of Python's: what TensorFlow writes by itself tears, too."""
    _, expected = killing.told(name)
    process, log = start(killing, name, toy_environment)
    while process.poll() is None and not any(killing.run.glob(sight)):
        time.sleep(0.0005)
    process.kill()
    assert process.wait() == -signal.SIGKILL, log.read_text()
    assert not killing.harness.differences(killing.finish(SCENARIOS[name], f"killed at {sight}"), expected)


def start(
    killing: Killing, name: str, environment: dict[str, str], number: int | None = None
) -> tuple[subprocess.Popen[bytes], Path]:
    """Run a scenario in a process of its own, which kills itself before a write or never; return its log, too."""
    killing.prepare(SCENARIOS[name])
    words = [str(killing.names.get(word, word)) for word in SCENARIOS[name].arguments]
    command = [sys.executable, "-c", SUICIDAL, killing.harness.__file__, str(number or 0), *words]
    log = killing.run.with_name("log.txt")
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, env={**environment, "RUN": str(killing.run)}, stdout=subprocess.DEVNULL, stderr=file
        )
    return process, log


def any_process(name: str) -> str:
    """Take the number of the process out of a name."""
    return re.sub(r"\.\d+\.(tmp|old)", r".\1", name)


def finished_files(killing: Killing, folder: Path | None, word: str) -> dict[str, Any]:
    """Return what a folder holds, times apart; of what was half-written at `word` only that it is there."""
    if folder is None or not folder.exists():
        return {}
    found = {any_process(str(path.relative_to(folder))): "there" for path in folder.rglob("*")}

    def is_torn(name: str) -> bool:
        return any_process(name) != name or word == f"write {name}"

    return found | killing.harness.contents(folder, is_torn=is_torn)
