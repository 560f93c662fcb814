"""How long functions and files are, and how many arguments go by position."""

import ast
import statistics
from pathlib import Path

from .source_files import sources

ROOT = Path(__file__).parents[2]
MOST_BY_POSITION = 3
LONGEST_FUNCTION = 60
LONGEST_FILE = 350
LONGEST_MEDIAN = 100

# Called by somebody else, who passes everything by position.
BY_POSITION = {
    "Progress.__call__": "the callback of prune, as its docstring has it",
    "on_step": "the same",
    "step": "compiled: tensors by position, of which a trace is kept for each shape",
    "sum_tasks": "run on each replica by TensorFlow's strategy",
}


def functions(tree: ast.Module) -> list[tuple[str, ast.FunctionDef]]:
    """Every function of a file with its name, that of its class before it."""
    found = []
    for parent in ast.walk(tree):
        prefix = f"{parent.name}." if isinstance(parent, ast.ClassDef) else ""
        found += [
            (f"{prefix}{node.name}", node)
            for node in ast.iter_child_nodes(parent)
            if isinstance(node, ast.FunctionDef)
        ]
    return found


def ours() -> list[tuple[str, ast.Module]]:
    """The files of the three packages, and those that programs of benchmarks share."""
    shared = sorted((ROOT / "benchmarks" / "library").rglob("*.py"))
    return [
        *((source.path, source.tree) for source in sources().values()),
        *((str(path.relative_to(ROOT)), ast.parse(path.read_text())) for path in shared),
    ]


def by_position(function: ast.FunctionDef) -> list[str]:
    """The arguments that may be given by position, the object itself left out."""
    names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
    return names[1:] if names and names[0] in ("self", "cls") else names


def is_command(function: ast.FunctionDef) -> bool:
    """Whether click calls it, by keyword."""
    return any("click.command" in ast.unparse(one) for one in function.decorator_list)


def test_at_most_three_arguments_go_by_position():
    assert not [
        f"{path}:{node.lineno} {name}({', '.join(by_position(node))})"
        for path, tree in ours()
        for name, node in functions(tree)
        if len(by_position(node)) > MOST_BY_POSITION and name not in BY_POSITION and not is_command(node)
    ]


def test_records_of_more_fields_are_made_by_keyword():
    assert not [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in ours()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and len(fields_by_position(node)) > MOST_BY_POSITION
    ]


def fields_by_position(node: ast.ClassDef) -> list[str]:
    """The fields of a dataclass that may be given by position."""
    decorators = [ast.unparse(one) for one in node.decorator_list if "dataclass" in ast.unparse(one)]
    if not decorators or "kw_only=True" in decorators[0]:
        return []
    names = []
    for one in node.body:
        if not isinstance(one, ast.AnnAssign) or "ClassVar" in ast.unparse(one.annotation):
            continue
        if one.value and "init=False" in ast.unparse(one.value):
            continue
        if ast.unparse(one.annotation) == "KW_ONLY":
            break
        names.append(ast.unparse(one.target))
    return names


def test_no_function_is_long():
    assert not [
        f"{path}:{node.lineno} {name} has {length_of(node)} lines"
        for path, tree in ours()
        for name, node in functions(tree)
        if length_of(node) > LONGEST_FUNCTION
    ]


def length_of(function: ast.FunctionDef) -> int:
    """Lines with the signature, without the docstring: what is said of a function makes it no longer."""
    assert function.end_lineno is not None
    first = function.body[0]
    says = isinstance(first, ast.Expr) and ast.get_docstring(function) is not None
    said = first.end_lineno - first.lineno + 1 if says and first.end_lineno else 0
    return function.end_lineno - function.lineno + 1 - said


def test_no_file_is_long():
    folders = ("stamp_tf", "cli", "registry", "benchmarks", "examples", "tests")
    lengths = {
        path: len(path.read_text().splitlines()) for name in folders for path in (ROOT / name).rglob("*.py")
    }
    assert not [f"{path}: {length}" for path, length in lengths.items() if length > LONGEST_FILE]
    library = [length for path, length in lengths.items() if path.is_relative_to(ROOT / "stamp_tf")]
    assert statistics.median(library) <= LONGEST_MEDIAN
