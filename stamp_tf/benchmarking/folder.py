"""The folder of a suite's runs: what is run, a folder a case, and what is made of them."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import Any

from stamp_tf.benchmarking.cases import Case, Setup
from stamp_tf.errors import StampError
from stamp_tf.storage.records import read_json, read_record, write_json_atomic

_REMEDY = "choose another folder"


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
            StampError: If it is the folder of no suite.
        """
        if not self.setup_file.exists():
            raise StampError(
                f"`run_dir` must be the folder of a suite, but {self.path} has no suite.json; check the path."
            )
        return read_record(self.setup_file, Setup, remedy=_REMEDY)

    def begin(self, setup: Setup) -> None:
        """Make the folder, or go on in the one that is there, for further rows and seeds as well.

        Args:
            setup: What is to be run.

        Raises:
            StampError: If the folder holds the runs of something else.
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
        """Return the records of all cases that are done, in the order of the suite."""
        return [read_json(self.record(case)) for case in self.setup.cases if self.record(case).exists()]


def _in_words(setup: Setup) -> str:
    targets = ", ".join(f"{name}={spec}" for name, spec in setup.targets.items())
    return (
        f"{setup.suite} at scale {setup.scale} on {targets} from {setup.reference or 'the bundled reference'}"
    )
