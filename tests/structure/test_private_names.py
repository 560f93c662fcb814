"""Names without a public face stay in one room."""

import ast
import re
from pathlib import Path

from .source_files import sources

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
    allowed = {"_replace", "_exit"}  # of named tuples and of os, documented
    assert not [
        f"{source.path}:{node.lineno} uses {ast.unparse(node)}"
        for source in sources().values()
        if not source.path.startswith("stamp_tf/channels/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if node.attr not in ours | allowed
    ]


def test_tests_go_in_by_the_public_door():
    names_of_keras = {"_kernel", "_layers"}  # Something of ours is called so as well.
    ours = {name for source in sources().values() for name in names_made(source.tree)} - names_of_keras
    tests = Path(__file__).parents[1]
    assert not [
        f"{path.relative_to(tests)}:{line} uses {name}"
        for path in sorted(tests.rglob("*.py"))
        for line, name in private_names(ast.parse(path.read_text()))
        # What Keras keeps to itself is the matter of the room of channels.
        if name in ours or not path.is_relative_to(tests / "channels")
    ]


def test_every_way_to_a_private_name_is_seen():
    code = """
from stamp_tf.place import _imported
place._attribute
monkeypatch.setattr("stamp_tf.place._patched", 1)
monkeypatch.setattr(place, "_named", 1)
self._own
__version__
"""
    assert [name for _, name in private_names(ast.parse(code))] == [
        *("_imported", "_attribute", "_patched", "_named")
    ]


def private_names(tree: ast.Module) -> list[tuple[int, str]]:
    """The lines and private names, of modules and of other objects than itself, that a test file uses."""
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) not in ("self", "cls"):
            names = [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("attr", "patch", "patch.object")
        ):
            strings = [one.value for one in node.args if isinstance(one, ast.Constant)]
            names = [part for text in strings if isinstance(text, str) for part in text.split(".")]
        found += [(node.lineno, name) for name in names if re.match(r"_[^_]", name)]
    return sorted(found)


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
