"""The files of the packages, with what each imports; read from the source."""

import ast
import importlib.util
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

TENSORFLOW = {"tensorflow", "tensorflow_datasets"}
HEAVY = {*TENSORFLOW, "keras", "numpy", "rich", "matplotlib", "sklearn", "jinja2", "PIL"}


@dataclass(frozen=True)
class Import:
    """One imported module.

    Args:
        module: Its absolute dotted name.
        is_lazy: Whether it is imported inside a function.
        is_for_types: Whether it is imported for type checkers alone.
    """

    module: str
    is_lazy: bool
    is_for_types: bool

    @property
    def package(self) -> str:
        """The first part of the name."""
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Source:
    """One file of the packages.

    Args:
        path: Where it lies in the repository's terms, such as `stamp_tf/storage/run_directory.py` or `cli/main.py`.
        module: What it is imported as.
        tree: Its syntax tree.
        imports: What it imports, type-checking imports included.
    """

    path: str
    module: str
    tree: ast.Module = field(repr=False)
    imports: tuple[Import, ...] = field(repr=False)

    @property
    def part(self) -> str:
        """The part of the library it belongs to: `runs`, `data`, ... or the package's own name."""
        names = self.module.split(".")
        return names[1] if len(names) > 1 else names[0]


@cache
def sources() -> dict[str, Source]:
    """Every file of the three packages, by module name."""
    found = {}
    for package, folder in (("stamp_tf", "stamp_tf"), ("stamp_cli", "cli"), ("stamp_registry", "registry")):
        spec = importlib.util.find_spec(package)
        assert spec is not None, f"{package} must be installed to be tested"
        assert spec.submodule_search_locations is not None
        root = Path(spec.submodule_search_locations[0])
        for path in sorted(root.rglob("*.py")):
            relative = path.relative_to(root)
            names = [package, *relative.with_suffix("").parts]
            module = ".".join(names[:-1] if names[-1] == "__init__" else names)
            tree = ast.parse(path.read_text(), filename=str(path))
            found[module] = Source(f"{folder}/{relative.as_posix()}", module, tree, tuple(imports_of(tree)))
    return found


def imports_of(tree: ast.AST, *, is_lazy: bool = False, is_for_types: bool = False) -> list[Import]:
    """Every import of a tree. `from package import name` counts for the package and for `package.name`."""
    found = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [Import(module, is_lazy, is_for_types) for module in imported_modules(node)]
            continue
        found += imports_of(
            node,
            is_lazy=is_lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda),
            is_for_types=is_for_types
            or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"),
        )
    return found


def imported_modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The dotted names that one statement may import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f"line {node.lineno}: imports are absolute"
    return [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]


def known_imports(source: Source, *, types_too: bool = True) -> set[str]:
    """The modules of ours that a file imports, wherever in the file."""
    imports = {one.module for one in source.imports if types_too or not one.is_for_types}
    return {module for module in imports if module in sources()} - {source.module}


def library() -> list[Source]:
    """The files of stamp_tf, but for the door itself."""
    return [source for source in sources().values() if source.module.startswith("stamp_tf.")]
