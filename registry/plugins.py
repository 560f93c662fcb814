"""Every installed plug-in, tried."""

from collections import Counter
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from stamp_registry.errors import BrokenPlugin, MissingExtra
from stamp_registry.groups import GROUPS
from stamp_registry.loading import load_entry_point, package_of, version_of
from stamp_registry.suggestions import did_you_mean


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """One entry point and how it fared.

    Args:
        name: The name a user types.
        group: The entry-point group.
        package: The distribution that declares it.
        version: That distribution's version.
        status: `"ok"`, `"missing extra"`, `"broken"`, `"duplicate"` or `"unknown group"`.
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
    ours = {group for group in entry_points().groups if group.startswith("stamp_tf.")}
    found = []
    for group in GROUPS:
        entries = sorted(entry_points(group=group), key=_order)
        times = Counter(entry.name for entry in entries)
        for entry in entries:
            found.append(_tried(entry, is_duplicate=times[entry.name] > 1))
    for group in sorted(ours.difference(GROUPS)):
        detail = f"There is no group {group!r}.{did_you_mean(group, GROUPS)}"
        entries = sorted(entry_points(group=group), key=_order)
        found += [_record(entry, "unknown group", detail) for entry in entries]
    return found


def _tried(entry: EntryPoint, is_duplicate: bool) -> Plugin:
    try:
        load_entry_point(entry)
    except MissingExtra as error:
        return _record(entry, "missing extra", str(error))
    except BrokenPlugin as error:
        return _record(entry, "broken", str(error))
    if is_duplicate:
        return _record(entry, "duplicate", f"Several packages declare {entry.name!r}; uninstall all but one.")
    return _record(entry, "ok")


def _record(entry: EntryPoint, status: str, detail: str = "") -> Plugin:
    return Plugin(
        name=entry.name,
        group=entry.group,
        package=package_of(entry),
        version=version_of(entry),
        status=status,
        detail=detail,
    )


def _order(entry: EntryPoint) -> tuple[str, str]:
    return entry.name, package_of(entry)
