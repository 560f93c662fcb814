"""What every file and function must have; read from the source."""

import ast
import re

import pytest

from .source_files import Source, library, sources


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


def test_library_neither_prints_nor_pickles_nor_configures_logging():
    banned = {"print", "logging.basicConfig", "pickle.load", "pickle.loads", "pickle.dump", "pickle.dumps"}
    assert not [
        f"{source.path}:{node.lineno} calls {ast.unparse(node.func)}"
        for source in library()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in banned
    ]


def test_the_library_names_arguments_and_no_flags():
    assert not [
        f"{source.path}:{node.lineno} says {node.value[:60]!r}"
        for source in library()
        if source.path != "stamp_tf/notation.py"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.search(r"(?<![\w(-])--[a-z]", node.value)
    ]
