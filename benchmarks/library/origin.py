"""Where records come from, as a paragraph below the table that shows them."""

from collections.abc import Sequence

from library.results import Record, unique, without_folders


def made_with(records: Sequence[Record]) -> str:
    """Return commands, machines, versions, dates and commits of some records.

    Args:
        records: At least one.
    """
    commands = "\n".join(
        f"    {command}" for command in unique(without_folders(record["command"]) for record in records)
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
        record["code"].get("commit", "unknown") + (" with changes" if record["code"].get("modified") else "")
        for record in records
    )
    loads = [record["hardware"].get("load_average", 0.0) for record in records]
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    changes = (
        " *With changes*: the code that measured was not all committed; the commit alone may not repeat it."
    )
    return (
        f"{commands}\n\n{'; '.join(machines)} (load average {min(loads):.1f} to {max(loads):.1f}). "
        f"{'; '.join(versions)}. {when}, commit {', '.join(commits)}."
        + (changes if any("with changes" in commit for commit in commits) else "")
    )
