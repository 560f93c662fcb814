"""The runs of a suite: one for each seed, target, number of images and row, in this order."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from stamp_tf.benchmarking.suite import Row, Scale, Suite, load_suite
from stamp_tf.errors import StampError


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run.

    Args:
        row: Key of its row.
        target: Name of its data set.
        train_size: Training images; 0 for all.
        seed: Of all that is random.
        task: Which part of the data set; empty for all of it.
    """

    row: str
    target: str
    train_size: int
    seed: int
    task: str = ""

    @property
    def trial(self) -> str:
        """What cases share that differ in their seeds alone, as a name of a file."""
        task = f"{self.task}-" if self.task else ""
        return f"{self.target}-{task}{self.train_size or 'all'}-{self.row}"

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.trial}-{self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON content."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What is run: a suite at a scale, on data sets, from a reference.

    Args:
        suite: Its name.
        scale: Name of the scale.
        targets: Name -> data set.
        reference: Run directory or file; None takes the bundled one.
        rows: Keys of the rows that are run.
        seeds: Those that are run.
    """

    suite: str
    scale: str
    targets: dict[str, str]
    reference: str | None = None
    rows: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(
        cls,
        name: str,
        *,
        scale: str,
        targets: dict[str, str] | None = None,
        reference: str | None = None,
        rows: tuple[str, ...] = (),
        seeds: tuple[int, ...] = (),
    ) -> Setup:
        """Fill in what was left open from the suite.

        Args:
            name: Of the suite.
            scale: Name of the scale.
            targets: Data sets in place of the suite's; None takes these.
            reference: Run directory or file.
            rows: Keys of rows; none takes all.
            seeds: None takes those of the scale.

        Raises:
            StampError: If the suite has no such scale or row.
        """
        suite = load_suite(name)
        if scale not in suite.scales:
            raise StampError(
                f"`scale` must be one of {', '.join(suite.scales)}, but got {scale}; take one of them."
            )
        known = tuple(row.key for row in suite.rows if row.is_installed)
        if unknown := [row for row in rows if row not in known]:
            raise StampError(
                f"`rows` must be of {', '.join(known)}, but got {unknown[0]}; take some of them."
            )
        return cls(
            suite=name,
            scale=scale,
            targets=dict(targets or suite.targets),
            reference=reference,
            rows=rows or known,
            seeds=seeds or suite.scales[scale].seeds,
        )

    @property
    def content(self) -> Suite:
        """The suite itself."""
        return load_suite(self.suite)

    @property
    def size(self) -> Scale:
        """The scale itself."""
        return self.content.scales[self.scale]

    def row(self, key: str) -> Row:
        """Return the row of a key."""
        return next(row for row in self.content.rows if row.key == key)

    def spec(self, case: Case) -> str:
        """Return what loads the images of a case."""
        target = self.targets[case.target]
        if not case.task:
            return target
        numbers = (self.size.tasks | self.size.remembered)[case.task]
        return f"classes:{','.join(map(str, numbers))}@{target}"

    @property
    def cases(self) -> tuple[Case, ...]:
        """All runs. Seeds come first, so that a suite that is stopped has compared all rows as far as it came."""
        needed = dict.fromkeys(memory for key in self.rows if (memory := self.row(key).memory))
        return tuple(
            case
            for seed in self.seeds
            for target in self.targets
            for case in (
                *(
                    Case(row=row, target=target, train_size=self.size.train_sizes[-1], seed=seed, task=task)
                    for task in self.size.remembered
                    for row in needed
                ),
                *(
                    Case(row=row, target=target, train_size=size, seed=seed, task=task)
                    for task in self.size.tasks or ("",)
                    for size in self.size.train_sizes
                    for row in self.rows
                ),
            )
        )
