"""Every installed plug-in, tried."""

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from stamp_registry.errors import BrokenPlugin
from stamp_registry.groups import GROUPS
from stamp_registry.loading import load_entry_point, package_of
from stamp_registry.suggestions import did_you_mean


@dataclass(frozen=True)
class Plugin:
    """One entry point and how it fared.

    Args:
        name: The name a user types.
        group: The entry-point group.
        package: The distribution that declares it.
        version: That distribution's version.
        status: `"ok"`, `"broken"`, `"duplicate"` or `"unknown group"`.
        detail: One line on what is wrong; empty if the status is ok.
    """

    name: str
    group: str
    package: str
    version: str
    status: str
    detail: str = ""


def plugins() -> list[Plugin]:
    """Import every plug-in of every group and report on each; a broken one is a row, not an exception.

    Returns:
        One record an entry point, in the order of `GROUPS`, then by name and package. Groups that start like
        ours but do not exist (a slip in a third party's metadata) come last.
    """
    by_group = {group: tuple(entry_points(group=group)) for group in GROUPS}
    stray = [entry for entry in entry_points() if entry.group.startswith("stamp_tf.") and entry.group not in GROUPS]
    found = []
    for entries in by_group.values():
        times = Counter(entry.name for entry in entries)
        for entry in sorted(entries, key=_order):
            found.append(_tried(entry, is_duplicate=times[entry.name] > 1))
    for entry in sorted(stray, key=_order):
        detail = f"There is no group {entry.group!r}.{did_you_mean(entry.group, GROUPS)}"
        found.append(_record(entry, "unknown group", detail))
    return found


def _tried(entry: EntryPoint, is_duplicate: bool) -> Plugin:
    try:
        load_entry_point(entry)
    except BrokenPlugin as error:
        return _record(entry, "broken", str(error))
    if is_duplicate:
        return _record(entry, "duplicate", f"Several packages declare {entry.name!r}; uninstall all but one.")
    return _record(entry, "ok")


def _record(entry: EntryPoint, status: str, detail: str = "") -> Plugin:
    version = entry.dist.version if entry.dist is not None else "unknown"
    return Plugin(entry.name, entry.group, package_of(entry), version, status, detail)


def _order(entry: EntryPoint) -> tuple[str, str, str]:
    return entry.group, entry.name, package_of(entry)
