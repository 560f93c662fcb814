"""The folder of a suite's runs: what is run, a folder a case, and what is made of them."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from stamp_tf.benchmarking.cases import Case, Setup
from stamp_tf.benchmarking.suite import load_suite, suite_names
from stamp_tf.errors import StampError
from stamp_tf.storage.records import read_json, read_record, write_json_atomic
from stamp_tf.storage.writing import writing
from stamp_tf.training.epoch_record import EpochRecord

_REMEDY = "choose another folder"


class _Figures(msgspec.Struct, frozen=True):
    accuracy: float
    params_fraction: float
    flops_fraction: float
    seconds_search: float
    seconds_finetune: float
    seconds_inference: float
    peak_bytes: int | None


class _Swap(msgspec.Struct, frozen=True):
    dataset_of: str
    masks_of: str
    own: float
    swapped: float


class _Hardware(msgspec.Struct, frozen=True):
    processor: str


class _Record(msgspec.Struct, frozen=True):
    """What every table and plot reads of a case."""

    case: Case
    figures: _Figures
    curve: list[EpochRecord]
    kept: dict[str, list[int]]
    sizes: dict[str, int]
    hardware: _Hardware
    versions: dict[str, Any]
    swaps: list[_Swap] = []

    def __post_init__(self) -> None:
        if not self.kept:
            raise ValueError("kept names no layer")
        if self.kept.keys() != self.sizes.keys():
            raise ValueError("kept and sizes name different layers")
        for layer, kept in self.kept.items():
            if not all(0 <= channel < self.sizes[layer] for channel in kept):
                raise ValueError(f"kept names channels that {layer} of {self.sizes[layer]} does not have")


class SuiteFolder:
    """Where the runs of a suite lie.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def setup_file(self) -> Path:
        """What is run."""
        return self.path / "suite.json"

    @cached_property
    def setup(self) -> Setup:
        """What is run.

        Raises:
            StampError: If it is the folder of no suite, or of one that this version does not have.
        """
        if not self.setup_file.exists():
            raise StampError(
                f"`run_dir` must be the folder of a suite, but {self.path} has no suite.json; check the path."
            )
        setup = read_record(self.setup_file, Setup, remedy=_REMEDY)
        if not _is_known(setup):
            raise StampError(
                f"{self.setup_file} must name a suite, a scale and rows that there are, but names {setup.suite}, "
                f"{setup.scale} and {', '.join(setup.rows)}; {_REMEDY}."
            )
        return setup

    def begin(self, setup: Setup) -> None:
        """Make the folder, or go on in the one that is there, for further rows and seeds as well.

        Args:
            setup: What is to be run.

        Raises:
            StampError: If the folder holds the runs of something else, or cannot be written.
        """
        if self.setup_file.exists():
            before = self.setup
            if dataclasses.replace(before, rows=setup.rows, seeds=setup.seeds) != setup:
                raise StampError(
                    f"`run_dir` holds {_in_words(before)}, but {_in_words(setup)} was asked for; choose another folder."
                )
            setup = dataclasses.replace(
                setup,
                rows=tuple(row.key for row in setup.content.rows if row.key in {*before.rows, *setup.rows}),
                seeds=tuple(sorted({*before.seeds, *setup.seeds})),
            )
        elif self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise StampError(
                f"`run_dir` must be new, empty or the folder of a suite, but {self.path} is not; choose another."
            )
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        write_json_atomic(self.setup_file, dataclasses.asdict(setup))
        self.__dict__["setup"] = setup

    def case(self, case: Case) -> Path:
        """Return the folder of a case."""
        return self.path / "cases" / case.name

    def record(self, case: Case) -> Path:
        """Return the file of a case's record."""
        return self.case(case) / "record.json"

    def rates(self, case: Case) -> Path:
        """Return the file of what the rate of a case was chosen by."""
        return self.path / "rates" / f"{case.trial}.json"

    def memory(self, case: Case, row: str) -> Path:
        """Return the folder of a row's runs that cases of the same target and seed start from."""
        return self.path / "memory" / f"{case.target}-{row}-{case.seed}"

    def records(self) -> list[dict[str, Any]]:
        """Return the records of all cases that are done, in the order of the suite.

        Raises:
            StampError: If one is damaged.
        """
        return [self.read(case) for case in self.setup.cases if self.record(case).exists()]

    def read(self, case: Case) -> dict[str, Any]:
        """Return the record of a case that is done.

        Raises:
            StampError: If it is damaged.
        """
        return read_json(self.record(case), _Record, remedy="delete it and run the suite again")


def _is_known(setup: Setup) -> bool:
    if setup.suite not in suite_names():
        return False
    suite = load_suite(setup.suite)
    return setup.scale in suite.scales and {*setup.rows} <= {row.key for row in suite.rows}


def _in_words(setup: Setup) -> str:
    targets = ", ".join(f"{name}={spec}" for name, spec in setup.targets.items())
    return (
        f"{setup.suite} at scale {setup.scale} on {targets} from {setup.reference or 'the bundled reference'}"
    )
