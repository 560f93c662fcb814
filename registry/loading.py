"""From a name to its object, one at a time."""

import re
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from stamp_registry.errors import BrokenPlugin, DuplicateName, MissingExtra, UnknownName
from stamp_registry.groups import CONTRACTS, GROUPS
from stamp_registry.suggestions import did_you_mean

_OWN_PACKAGE = "stamp-tf"


def names(group: str) -> tuple[str, ...]:
    """List the names that installed packages declare, without importing any of them.

    Args:
        group: One of `GROUPS`.

    Returns:
        The names, sorted, each once.

    Raises:
        UnknownName: If there is no such group.
    """
    _check_group(group)
    return tuple(sorted({entry.name for entry in entry_points(group=group)}))


def find(group: str, name: str) -> EntryPoint:
    """Find the one entry point that declares a name, without importing its target.

    Args:
        group: One of `GROUPS`.
        name: A name out of `names(group)`.

    Returns:
        The entry point.

    Raises:
        UnknownName: If nobody declares the name, or there is no such group.
        DuplicateName: If several packages declare it.
    """
    _check_group(group)
    noun = CONTRACTS[group].noun
    found = tuple(entry_points(group=group, name=name))
    if not found:
        known = names(group)
        installed = ", ".join(known) or "none"
        raise UnknownName(f"There is no {noun} {name!r}; installed: {installed}.{did_you_mean(name, known)}")
    if len(found) > 1:
        packages = " and ".join(sorted(package_of(entry) for entry in found))
        raise DuplicateName(
            f"The {noun} {name!r} must be declared once, but {packages} declare it; uninstall all but one."
        )
    return found[0]


def load(group: str, name: str) -> Any:
    """Import the one target that a name stands for.

    Args:
        group: One of `GROUPS`.
        name: A name out of `names(group)`.

    Returns:
        The target: a class or a function, as its group asks for.

    Raises:
        UnknownName: If nobody declares the name, or there is no such group.
        DuplicateName: If several packages declare it.
        BrokenPlugin: If the target cannot be imported or is not what the group asks for.
    """
    return load_entry_point(find(group, name))


def load_entry_point(entry: EntryPoint) -> Any:
    """Import an entry point's target and check it against its group's contract.

    Args:
        entry: An entry point of one of `GROUPS`.

    Returns:
        The target.

    Raises:
        MissingExtra: If it cannot be imported because an extra of its package is not installed.
        BrokenPlugin: If the target cannot be imported or is not what the group asks for.
    """
    contract, subject = CONTRACTS[entry.group], _subject(entry)
    try:
        target = entry.load()
    except KeyboardInterrupt:
        raise
    # A plug-in may raise anything, SystemExit included; whatever it is must not end the program that asked.
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and (extra := _missing_extra(entry, error.name)):
            raise MissingExtra(
                f"{subject} needs {error.name}, which is not installed; "
                f"pip install '{package_of(entry)}[{extra}]'."
            ) from error
        reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
        raise BrokenPlugin(
            f"{subject} must import, but {entry.value} raised {reason}; mend or uninstall the package."
        ) from error
    violation = contract.violation(target)
    if violation:
        raise BrokenPlugin(f"{subject} {violation} ({entry.value}); mend or uninstall the package.")
    return target


def describe(group: str, name: str) -> str:
    """Return what messages call a plug-in, such as `The pruner 'slimming' of package acorn`.

    Args:
        group: One of `GROUPS`.
        name: Its name; one that nobody declares is described without a package.

    Raises:
        UnknownName: If there is no such group.
    """
    _check_group(group)
    found = tuple(entry_points(group=group, name=name))
    return _subject(found[0]) if len(found) == 1 else f"The {CONTRACTS[group].noun} {name!r}"


def is_built_in(group: str, name: str) -> bool:
    """Return whether this library itself declares a name.

    Args:
        group: One of `GROUPS`.
        name: The name.
    """
    return any(package_of(entry) == _OWN_PACKAGE for entry in entry_points(group=group, name=name))


def package_of(entry: EntryPoint) -> str:
    """Name the distribution that declares an entry point."""
    return _metadata(entry, "Name")


def version_of(entry: EntryPoint) -> str:
    """Say which version of its distribution declares an entry point."""
    return _metadata(entry, "Version")


def _subject(entry: EntryPoint) -> str:
    return f"The {CONTRACTS[entry.group].noun} {entry.name!r} of package {package_of(entry)}"


def _missing_extra(entry: EntryPoint, module: str | None) -> str | None:
    """Return the extra of a plug-in's package that brings a module, if one does."""
    if module is None or entry.dist is None:
        return None
    distribution = re.escape(module.partition(".")[0]).replace("_", "[-_.]")
    pattern = rf"{distribution}(?![-_.\w]).*;.*\bextra *== *['\"](.+?)['\"]"
    found = (re.match(pattern, requirement, re.IGNORECASE) for requirement in entry.dist.requires or ())
    # What is for tests and developers brings much else.
    return next((match[1] for match in found if match and match[1] not in ("test", "dev")), None)


def _metadata(entry: EntryPoint, field: str) -> str:
    # A half-removed package keeps its entry points and loses its metadata.
    if entry.dist is None or field not in entry.dist.metadata:
        return "unknown"
    return entry.dist.metadata[field]


def _check_group(group: str) -> None:
    if group not in GROUPS:
        groups = ", ".join(GROUPS)
        raise UnknownName(f"There is no group {group!r}; groups: {groups}.{did_you_mean(group, GROUPS)}")
