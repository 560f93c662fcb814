"""Which rooms, folders of stamp_tf, import which others, and their lines; run it as a program."""

import ast
import sys
from pathlib import Path


def report(root: Path) -> list[str]:
    """Return a line a room, and the sums.

    Args:
        root: Of a checkout.
    """
    folders = sorted(path.parent for path in (root / "stamp_tf").glob("*/__init__.py"))
    names = {folder.name for folder in folders}
    lines, num_arrows = [], 0
    for folder in folders:
        texts = [path.read_text() for path in folder.rglob("*.py")]
        targets = {room for text in texts for room in imported_rooms(text)} & names - {folder.name}
        num_arrows += len(targets)
        num_lines = sum(len(text.splitlines()) for text in texts)
        lines.append(
            f"{folder.name:<13} {num_lines:>5} lines, imports {len(targets):>2}: {' '.join(sorted(targets))}"
        )
    packages = [path for part in ("stamp_tf", "cli", "registry") for path in (root / part).rglob("*.py")]
    num_lines = sum(len(path.read_text().splitlines()) for path in packages)
    return [*lines, f"{len(folders)} rooms, {num_arrows} arrows; {num_lines} lines with cli/ and registry/"]


def imported_rooms(text: str) -> set[str]:
    """Return the second part of every dotted name of ours that a file imports, inside functions and for types, too."""
    modules = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return {name.split(".")[1] for name in modules if name.startswith("stamp_tf.")}


if __name__ == "__main__":
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2]
    sys.stdout.write("\n".join(report(checkout)) + "\n")
