"""Who imports whom, what an import costs, and what every file must have; read from the source."""

import ast
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

# From the bottom to the top. A part may import parts of its own tier and of those below it.
TIERS = (
    {
        *("errors", "notation", "printable", "options", "seeds", "without_tensorflow", "finite", "ends"),
        *("schedules", "losses", "arguments", "changed_options", "plugin_code"),
        *("limits", "quantities", "channel_mask", "tensor"),
    },
    {"storage", "backend"},
    {"data"},
    {"layers", "channels"},
    {"backbones", "set_encoders"},
    {"references", "refit"},
    {"training", "measure"},
    {"meta"},
    {"pruning", "baselines"},
    {"report", "export", "shrinking"},
    {"pruned_runs"},
    {"inspection", "comparison"},
    {"testing"},  # contracts for the authors of plug-ins; nothing in the library imports them
)
TIER = {part: number for number, tier in enumerate(TIERS) for part in tier}

# The tensor mathematics at the bottom knows no files and no data sets.
FORBIDDEN = {(above, below) for above in ("layers", "channels") for below in ("data", "storage")}

# The mathematics and the bottom run on any Keras backend and may not name TensorFlow. A file of another part
# may, if its docstring says so.
PURE = {*TIERS[0], "storage", "layers", "channels", "backbones", "set_encoders"}
EDGES = {"stamp_tf/export/saved_model.py"}
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


def test_every_module_starts_with_a_sentence():
    first_lines = {
        source.path: (ast.get_docstring(source.tree) or "").partition("\n")[0]
        for source in sources().values()
    }
    assert not [path for path, line in first_lines.items() if not line.endswith((".", "?"))]


def test_public_functions_and_classes_are_documented():
    assert not [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources().values()
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        if not ast.get_docstring(node)
    ]


def test_every_function_is_annotated():
    assert not [
        f"{source.path}:{node.lineno} {node.name}"
        for source in sources().values()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_annotated(node)
    ]


def is_annotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    listed = function.args
    arguments = [*listed.posonlyargs, *listed.args, *listed.kwonlyargs, listed.vararg, listed.kwarg]
    typed = [
        one.annotation is not None for one in arguments if one is not None and one.arg not in ("self", "cls")
    ]
    return function.returns is not None and all(typed)


@pytest.mark.parametrize(
    "package", [name for name in sources() if sources()[name].path.endswith("__init__.py")]
)
def test_exported_names_exist(package):
    source = sources()[package]
    exported = exports(source.tree)
    assert len(exported) == len(set(exported))
    if "__getattr__" not in bound_names(source.tree):
        assert set(exported) <= bound_names(source.tree) | submodules(source)


def exports(tree: ast.Module) -> list[str]:
    """The names in a module's `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def bound_names(tree: ast.Module) -> set[str]:
    """The names that a module binds at its top level."""
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            names |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return names


def submodules(source: Source) -> set[str]:
    """The modules and sub-packages inside a package."""
    prefix = f"{source.module}."
    return {name.removeprefix(prefix) for name in sources() if name.startswith(prefix)}


def test_every_part_of_the_library_has_a_tier():
    assert {source.part for source in library()} <= set(TIER)


def test_library_imports_downwards():
    assert not [
        f"{source.path} imports {module}"
        for source in library()
        for module in known_imports(source)
        if not may_import(source, sources()[module])
    ]


def may_import(source: Source, target: Source) -> bool:
    """Whether the layering allows an import between two files."""
    if target.module == "stamp_tf" or target.module.startswith("stamp_registry"):
        return True
    if not target.module.startswith("stamp_tf."):
        return False
    return TIER[target.part] <= TIER[source.part] and (source.part, target.part) not in FORBIDDEN


def test_registry_imports_the_standard_library_alone():
    allowed = sys.stdlib_module_names | {"stamp_registry"}
    assert not [
        f"{source.path} imports {one.module}"
        for source in sources().values()
        if source.module.startswith("stamp_registry")
        for one in source.imports
        if one.package not in allowed
    ]


def test_modules_form_no_circle():
    # A package imports its modules to re-export them; that a module imports its package by way of a sibling's
    # dotted name is no circle.
    graph = {
        name: {
            target for target in known_imports(source, types_too=False) if not name.startswith(f"{target}.")
        }
        for name, source in sources().items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_parts_form_no_circle():
    graph: dict[str, set[str]] = {}
    for source in library():
        targets = {sources()[module].part for module in known_imports(source)}
        graph.setdefault(source.part, set()).update(targets & set(TIER) - {source.part})
    TopologicalSorter(graph).prepare()


def test_tensorflow_stays_in_the_files_that_say_so():
    assert not [
        f"{source.path} imports {one.module}"
        for source in library()
        for one in source.imports
        if one.package in TENSORFLOW and not may_speak_tensorflow(source)
    ]


def test_training_differs_between_backends_in_two_files():
    """README says so. What reads, measures and exports by TensorFlow alone has other files."""
    edges = {"data", "measure", "export"}
    found = {
        source.path
        for source in library()
        for one in source.imports
        if one.package in {*TENSORFLOW, "jax"} and source.part not in edges
    }
    assert found == {"stamp_tf/backend.py", "stamp_tf/meta/meta_step.py"}
    assert all(f"`{path}`" in Path(__file__).parents[1].joinpath("README.md").read_text() for path in found)


def may_speak_tensorflow(source: Source) -> bool:
    """Whether a file lies on the edge between Keras and TensorFlow."""
    return source.path in EDGES or (
        source.part not in PURE and "TensorFlow" in (ast.get_docstring(source.tree) or "")
    )


# Tables for the terminal; commands import them when they run, see `test_import_is_cheap`.
TABLES = {"cli/cells.py", "cli/report_tables.py", "cli/comparison_tables.py"}


def test_command_files_import_nothing_heavy_before_the_command_runs():
    assert not [
        f"{source.path} imports {one.module}"
        for source in sources().values()
        if source.path.startswith("cli/") and source.path not in TABLES
        for one in source.imports
        if one.package in HEAVY and not (one.is_lazy or one.is_for_types)
    ]


def test_what_a_terminal_shows_is_made_by_the_command_line_alone():
    assert not [
        f"{source.path} imports {one.module}"
        for source in library()
        for one in source.imports
        if one.package in ("rich", "click")
    ]


def test_library_neither_prints_nor_pickles_nor_configures_logging():
    banned = {"print", "logging.basicConfig", "pickle.load", "pickle.loads", "pickle.dump", "pickle.dumps"}
    assert not [
        f"{source.path}:{node.lineno} calls {ast.unparse(node.func)}"
        for source in library()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in banned
    ]


CHEAP = [
    "stamp_tf",
    "stamp_tf.errors",
    "stamp_tf.options.finetune",
    "stamp_tf.storage.run_directory",
    "stamp_cli.main",
    "stamp_cli.derive",
    "stamp_cli.prune",
    "stamp_registry",
]


@pytest.mark.parametrize("module", CHEAP)
def test_import_is_cheap(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_lazy_name_of_the_package_resolves():
    import stamp_tf

    assert all(callable(getattr(stamp_tf, name)) for name in stamp_tf.__all__ if name != "__version__")


def test_unknown_name_of_the_package_is_an_attribute_error():
    import stamp_tf

    with pytest.raises(AttributeError, match="module 'stamp_tf' has no attribute 'no_such_name'"):
        _ = stamp_tf.no_such_name


def test_what_a_benchmark_varies_is_an_argument():
    """Nothing in the library is replaced from outside."""
    programs = [*Path(__file__).parents[1].joinpath("benchmarks").rglob("*.py")]
    assert programs
    assert not [
        f"{path} imports {one.module}"
        for path in programs
        for one in imports_of(ast.parse(path.read_text()))
        if one.module.startswith("unittest")
    ]


GRAPH = {
    *("_keras_history", "_inbound_nodes", "_nodes_by_depth", "_run_through_graph", "_inputs_struct"),
    *("_outputs_struct", "_functional", "_flatten_layers"),
}


def test_the_graph_of_keras_is_known_in_one_file():
    assert not [
        f"{source.path}:{node.lineno} uses {node.attr}"
        for source in sources().values()
        if source.path != "stamp_tf/channels/graph.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr in GRAPH
    ]


def test_the_source_of_keras_is_imported_in_one_file():
    assert not [
        f"{source.path} imports {one.module}"
        for source in sources().values()
        if source.path != "stamp_tf/channels/graph.py"
        for one in source.imports
        if one.module.startswith("keras.src")
    ]


def test_private_names_of_other_libraries_stay_in_the_room_of_channels():
    ours = {name for source in sources().values() for name in names_made(source.tree)}
    allowed = {"_replace"}  # of named tuples, documented
    assert not [
        f"{source.path}:{node.lineno} uses {ast.unparse(node)}"
        for source in sources().values()
        if not source.path.startswith("stamp_tf/channels/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in ours | allowed
    ]


def names_made(tree: ast.Module) -> set[str]:
    """Every name that a file defines or assigns, attributes of its own objects among them."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            is_own = isinstance(node, ast.Name) or ast.unparse(node.value) in ("self", "cls")
            names |= {node.id if isinstance(node, ast.Name) else node.attr} if is_own else set()
    return names


def test_the_library_names_arguments_and_no_flags():
    assert not [
        f"{source.path}:{node.lineno} says {node.value[:60]!r}"
        for source in library()
        if source.path != "stamp_tf/notation.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.search(r"(?<![\w(-])--[a-z]", node.value)
    ]
