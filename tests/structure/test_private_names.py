"""Names without a public face stay in one room."""

import ast

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
