"""Raw results of a benchmark: one JSON line per case, written once and never computed twice."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stamp_tf.measure.machine import describe_code, describe_machine, describe_versions
from stamp_tf.storage.files import write_bytes_atomic
from stamp_tf.storage.records import append_jsonl

Record = Mapping[str, Any]

UNNAMED_RATE = 0.05
"""The rate of fine-tuning in cases that name none: what was usual when their records were made."""

UNNAMED_HEAD = "ridge"
"""How the first values of the last layer were fitted in cases that do not say."""


class Results:
    """The file of one benchmark program.

    A case is a flat JSON object; two cases are the same if they are equal. So a program that is started again
    goes on where it stopped.

    Args:
        path: The file of JSON lines; it and its folder are made.
        program: Name of the program, such as `pruning_cost`.
        arguments: What the program was called with; absolute paths are shortened before they are recorded.
    """

    def __init__(self, path: Path, *, program: str, arguments: Sequence[str]) -> None:
        self.path = path
        self.program = program
        self.command = shlex.join(
            ["python", f"benchmarks/{program}.py", *(without_folders(argument) for argument in arguments)]
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        drop_torn_line(path)
        self.records = read_results(path)

    def figures(self, case: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the figures of a case, or None if it was not measured yet."""
        for record in self.records:
            if record["case"] == dict(case):
                return dict(record["figures"])
        return None

    def add(self, case: Mapping[str, Any], figures: Mapping[str, Any], *, seed: int) -> None:
        """Append the record of a case, with what it was measured on.

        Args:
            case: What was measured; JSON content.
            figures: What came out; JSON content.
            seed: Of everything random in it.
        """
        record = {
            "program": self.program,
            "case": dict(case),
            "figures": dict(figures),
            "command": self.command,
            "hardware": describe_machine(),
            "versions": describe_versions(),
            "seed": seed,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "code": describe_code(),
        }
        append_jsonl(self.path, record)
        self.records.append(record)


def read_results(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file, in order; none if there is no file.

    Args:
        path: A file of JSON lines; a last line that was not finished is left out.
    """
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines if line]


def drop_torn_line(path: Path) -> None:
    """Cut off a last line that a kill left unfinished."""
    content = path.read_bytes() if path.exists() else b""
    if content and not content.endswith(b"\n"):
        write_bytes_atomic(path, content[: content.rfind(b"\n") + 1])


def without_folders(argument: str) -> str:
    """Shorten paths that lead out of the repository to their last two parts: they say nothing elsewhere."""
    argument = re.sub(r"(?<![\w.~/])(?:\.\./)+", "/", argument)
    return re.sub(r"(?<![\w.~])~?/(?:[^/\s:]+/)*([^/\s:]+/[^/\s:]+)", r"\1", argument)


def grouped(records: Iterable[Record], *names: str) -> dict[tuple[Any, ...], list[Record]]:
    """Return records by some entries of their case, in order of first occurrence."""
    return grouped_by(records, lambda record: tuple(record["case"][name] for name in names))


def grouped_by(
    records: Iterable[Record], key: Callable[[Record], tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[Record]]:
    """Return records by what a function says of them, in order of first occurrence."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def rate_of(record: Record) -> float:
    """Return the rate that a record's network was fine-tuned at."""
    return float(record["case"].get("learning_rate", UNNAMED_RATE))


def head_of(record: Record) -> str:
    """Return how the first values of a record's last layer were fitted."""
    return str(record["case"].get("head", UNNAMED_HEAD))


def unique(values: Iterable[Any]) -> list[Any]:
    """Return values without repetition, in order."""
    return list(dict.fromkeys(values))
