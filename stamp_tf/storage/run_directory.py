"""Every file name of a run directory, and what its options say."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from stamp_tf.changed_options import changed_options
from stamp_tf.errors import StampError
from stamp_tf.storage.card import is_users
from stamp_tf.storage.files import remove
from stamp_tf.storage.locks import locked
from stamp_tf.storage.records import encode, read_json, read_record
from stamp_tf.storage.schemas import Exports, RunConfig
from stamp_tf.storage.writing import writing

FURTHER_TRAINING = "further_training"
"""Folder in a run where `finetune` keeps its states."""


@dataclass(frozen=True)
class RunDirectory:
    """A folder that holds one run: its configuration, state, results and exports.

    Args:
        path: The folder; it need not exist yet.
    """

    path: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def config(self) -> Path:
        """The resolved options."""
        return self.path / "config.json"

    @property
    def options(self) -> Path:
        """What the command line was given, defaults filled in, as a file of options."""
        return self.path / "options.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON object a line, appended while the run goes on."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """States that a run resumes from."""
        return self.path / "checkpoints"

    @property
    def full_network(self) -> Path:
        """Figures and states of the full network beside the pruned one."""
        return self.checkpoints / "full"

    @property
    def reference(self) -> Path:
        """The trained reference network with what prunes it."""
        return self.path / "reference.npz"

    @property
    def masks(self) -> Path:
        """Kept channel indices per group."""
        return self.path / "masks.json"

    @property
    def weights(self) -> Path:
        """Which single weights stay, of a method that removes those."""
        return self.path / "weight_mask.npz"

    @property
    def model(self) -> Path:
        """The re-trainable Keras model."""
        return self.path / "model.keras"

    @property
    def saved_model(self) -> Path:
        """The TensorFlow SavedModel."""
        return self.path / "saved_model"

    @property
    def report_json(self) -> Path:
        """The figures of a pruning run."""
        return self.path / "report.json"

    @property
    def report_html(self) -> Path:
        """The same figures as a self-contained page with pictures."""
        return self.path / "report.html"

    @property
    def card(self) -> Path:
        """The model card, under the name that Hugging Face's hub reads."""
        return self.path / "README.md"

    @property
    def exports(self) -> Path:
        """Which files exporters put into the folder."""
        return self.path / "exports.json"

    def read_exports(self) -> Exports:
        """Return what exporters put into the folder; nothing where nothing is noted.

        Raises:
            StampError: If the note is damaged.
        """
        return read_record(self.exports, Exports).inside() if self.exports.exists() else Exports()

    @property
    def tensorboard(self) -> Path:
        """Figures of every step for TensorBoard."""
        return self.path / "tensorboard"

    @property
    def further_training(self) -> "RunDirectory":
        """Where `finetune` keeps its states, and at the end builds what will replace the files of the run."""
        return RunDirectory(self.path / FURTHER_TRAINING)

    @property
    def finished_training(self) -> "RunDirectory":
        """What `further_training` is called once it is complete; see `settle`."""
        return RunDirectory(self.path / "finished_training")

    @property
    def swept(self) -> "tuple[RunDirectory, ...]":
        """The runs in folders of this one, where it is a sweep over several budgets or methods.

        Raises:
            StampError: If `config.json` is damaged.
        """
        runs = (self.read_config().get("sweep") or {}).get("runs", ()) if self.config.exists() else ()
        return tuple(RunDirectory(self.path / name) for name in runs)

    def check_is_one(self) -> None:
        """Refuse the folder of a sweep, whose networks lie in folders below it.

        Raises:
            StampError: If it is one; it names a network.
        """
        if swept := self.swept:
            raise StampError(
                f"`run` must hold one pruned network, but {self.path} holds {len(swept)}; name one of them, such as "
                f"{swept[0].path}."
            )

    def settle(self) -> bool:
        """Put the files of a complete `finetune` in the place of the run's own; return whether there was one.

        The folder that they were built in got its name in one step. From then on nothing is computed: whatever was
        not moved yet is moved now, so that a kill at any instant leaves something that this method completes.
        """
        done = self.finished_training
        if not done.path.is_dir():
            return False
        exported = [done.path / name for export in done.read_exports().exports for name in export.wrote]
        # The report last, as everywhere, and what lists the exports once they are in their places.
        card = () if is_users(self.card) else (done.card,)
        figures = (done.exports, done.metrics, *card, done.report_html, done.report_json)
        for built in (done.model, done.saved_model, *exported, *figures):
            if not os.path.lexists(built):
                continue
            place = self.path / built.relative_to(done.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(place) and (built.is_dir() or place.is_dir()):
                # Two steps, as an exchange that is done twice would undo itself.
                old = done.path / "replaced"
                remove(old)
                os.replace(place, old)
            os.replace(built, place)
        remove(done.path)
        return True

    @property
    def is_finished(self) -> bool:
        """Whether everything that the run was started for is there."""
        is_prune = self.read_config()["command"] == "prune"
        return (self.report_json if is_prune else self.reference).exists()

    def check_options(self, config: Mapping[str, Any]) -> None:
        """Compare the options of a run that is to go on with those it was started with.

        Args:
            config: The resolved options, JSON content.

        Raises:
            StampError: If they differ; it names them.
        """
        before, now = self.read_config(), msgspec.json.decode(encode(config))
        data_before, data_now = before.pop("data", None), now.pop("data", None)
        if changed := changed_options(before, now):
            raise StampError(
                f"`resume=True` must repeat the options of the run, but {', '.join(changed)}; repeat them, or "
                "start anew with `overwrite=True`.",
            )
        _check_data(data_before, data_now)

    def read_config(self) -> dict[str, Any]:
        """Return the resolved options of a run.

        Raises:
            StampError: If the folder is no run of ours.
        """
        return read_json(self.config, RunConfig)

    def read_pruned_config(self) -> dict[str, Any]:
        """Return the resolved options of a run that holds a pruned network.

        Raises:
            StampError: If the folder is no run of ours, or holds no pruned network.
        """
        if self.finished_training.path.is_dir():
            # What a killed `finetune` had decided comes first, or else network and report do not fit.
            with writing(self.path), locked(self.path):
                self.settle()
        config = self.read_config()
        self.check_is_one()
        if not self.model.exists():
            remedy = (
                "finish it with prune `resume=True`"
                if config.get("command") == "prune"
                else "prune for a data set first"
            )
            raise StampError(
                f"`run` must hold a pruned network, but {self.path} has no {self.model.name}; {remedy}."
            )
        return config


def _check_data(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> None:
    """Refuse other images under the name of those that a run was started with; their names are compared elsewhere."""
    if before is None or now is None:  # a run of before this was recorded
        return
    parts = {"train": "training images", "test": "test images", "classes": "classes"}
    changed = [
        words for part, words in parts.items() if before["digest"].get(part) != now["digest"].get(part)
    ]
    if changed:
        raise StampError(
            f"`resume=True` needs the data that the run was started with, but {now['name']} has other "
            f"{' and '.join(changed)} now; bring them back, or start "
            "anew with `overwrite=True`."
        )


def reference_file(path: Path) -> Path:
    """Return the file of a reference that a user names by its run directory or by itself.

    Args:
        path: A folder or a file.

    Raises:
        StampError: If there is nothing, or a folder without a reference.
    """
    if os.path.isdir(path):
        file = RunDirectory(path).reference
        if not file.exists():
            raise StampError(
                f"`reference` must be a run directory of pretrain or meta-train, but {path} has no {file.name}; name "
                "another, or finish that run."
            )
        return file
    # Of a link in a circle or a name that is too long this says no, where others raise.
    if not os.path.exists(path):
        raise StampError(
            f"`reference` must be a run directory or a file of one, but {path} is not there; check the path."
        )
    return path
