"""Run the cases of a suite, each in a process of its own; several machines may share the folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from stamp_tf.benchmarking.cases import Case, Setup
from stamp_tf.benchmarking.folder import SuiteFolder
from stamp_tf.data import load_dataset
from stamp_tf.errors import StampError
from stamp_tf.references.find import find_reference
from stamp_tf.storage.locks import FolderTaken, locked
from stamp_tf.storage.writing import writing

logger = logging.getLogger(__name__)


def run_suite(
    setup: Setup, path: Path, *, on_case: Callable[[int, int, Case], None] | None = None
) -> SuiteFolder:
    """Run what is not done yet; cases that another process is at are left to it.

    A case that is killed begins anew. A row that cannot be run, because a limit is out of its reach or its method does
    not fit the network, is told of and passed over.

    Args:
        setup: What is run.
        path: The folder; it goes on where it was stopped.
        on_case: Called with (cases done, all cases, the next one) before each.

    Returns:
        The folder.

    Raises:
        StampError: If the folder holds something else, or no case could be run.
    """
    folder = SuiteFolder(path)
    folder.begin(setup)
    wanted = set(setup.cases)
    cases = [case for case in folder.setup.cases if case in wanted]
    refused = []
    for number, case in enumerate(cases):
        if on_case is not None:
            on_case(number, len(cases), case)
        for words in _run(folder, case):
            refused.append(words)
            logger.warning("%s: %s", case.name, words)
    if len(refused) == len(cases):
        raise StampError(refused[0])
    return folder


def check_loads(setup: Setup) -> None:
    """Load everything that is needed once, and keep nothing.

    Args:
        setup: What is to be run.

    Raises:
        StampError: If a data set or the reference cannot be used, or the reference is of another size than the scale.
    """
    reference = find_reference(setup.reference, backbone=setup.content.backbone)
    for option, value in setup.size.backbone_options.items():
        if (found := reference.backbone.options.get(option, value)) != value:
            raise StampError(
                f"`reference` must be of {option} {value:g} at scale {setup.scale}, but is of {option} {found:g}; "
                "name one, or take another scale."
            )
    tasks = setup.size.tasks | setup.size.remembered
    # Where this one can be loaded, the data set has the classes of all.
    farthest = max(tasks, key=lambda task: max(tasks[task]), default="")
    for name in setup.targets:
        for size in setup.size.train_sizes:
            case = Case(row=setup.rows[0], target=name, train_size=size, seed=setup.seeds[0], task=farthest)
            try:
                load_dataset(
                    setup.spec(case),
                    image_shape=reference.backbone.input_shape,
                    train_size=size or None,
                    seed=case.seed,
                )
            except StampError as error:
                raise StampError(f"Target {name}: {error}") from error


def _run(folder: SuiteFolder, case: Case) -> Iterator[str]:
    """Run a case unless it is done or somebody is at it; yield why it could not be run."""
    with writing(folder.case(case)):
        folder.case(case).mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder.case(case)):
            if folder.record(case).exists():
                return
            # A process of its own: its memory is that of this run, and nothing is compiled or cached by others.
            module = "stamp_tf.benchmarking.run_case"
            command = [sys.executable, "-m", module, str(folder.path), case.name, str(os.getpid())]
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                yield (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
    except FolderTaken as error:
        logger.info("%s", error)
