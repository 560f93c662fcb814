"""Where records come from, as a paragraph below the table that shows them."""

import re
from collections.abc import Sequence
from pathlib import Path

from library.results import Record, unique, without_folders

REPOSITORY = Path(__file__).parents[2]
MOVED = {
    "stamp_tf/bundled/": "stamp_tf/references/bundled/",
    "references/": "benchmarks/references/",
    "results/": "benchmarks/evidence/results/",
}
"""Folders of recorded commands, and where in the repository they lie."""

CHANGED = "†"
FOOTNOTE = (
    f"{CHANGED} Measured with changes that were not committed: the commit alone may not repeat the figures."
)


def made_with(records: Sequence[Record]) -> str:
    """Return commands, machines, versions, dates and commits of some records.

    Args:
        records: At least one.
    """
    commands = "\n".join(
        f"    {command}" for command in unique(command_today(record["command"]) for record in records)
    )
    machines = unique(
        f"{', '.join(hardware.get('gpus') or [hardware['processor']])}, {hardware['cores']} cores, "
        f"{hardware['threads']} threads"
        for hardware in (record["hardware"] for record in records)
    )
    versions = unique(
        ", ".join(f"{name} {number}" for name, number in record["versions"].items()) for record in records
    )
    dates = sorted(record["date"][:10] for record in records)
    commits = unique(
        record["code"].get("commit", "unknown") + (CHANGED if record["code"].get("modified") else "")
        for record in records
    )
    loads = [record["hardware"].get("load_average", 0.0) for record in records]
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"{commands}\n\n{'; '.join(machines)} (load average {min(loads):.1f} to {max(loads):.1f}). "
        f"{'; '.join(versions)}. {when}, commit {', '.join(commits)}."
    )


def command_today(command: str) -> str:
    """Return a recorded command with its paths where they lie now, and no file of results but those recorded here.

    Args:
        command: As it was typed.
    """
    command = re.sub(
        rf"(?<![^\s=])({'|'.join(MOVED)})", lambda match: MOVED[match[0]], without_folders(command)
    )
    return re.sub(
        r" --results[ =](\S+)", lambda match: match[0] if (REPOSITORY / match[1]).exists() else "", command
    )


def with_footnote(page: str) -> str:
    """Return a page, at its end what the mark of a commit means if one is marked.

    Args:
        page: Markdown.
    """
    return f"{page}\n{FOOTNOTE}\n" if CHANGED in page else page
