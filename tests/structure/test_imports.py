"""Who imports whom; read from the source."""

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

from .source_files import TENSORFLOW, Source, imports_of, known_imports, library, sources

# From the bottom to the top. A part may import parts of its own tier and of those below it.
TIERS = (
    {
        *("errors", "notation", "printable", "options", "seeds", "without_tensorflow", "finite", "ends"),
        *("schedules", "losses", "arguments", "changed_options", "plugin_code", "on_step"),
        *("limits", "quantities", "channel_mask", "weight_mask", "tensor"),
    },
    {"storage", "backend", "workers"},
    {"data"},
    {"layers", "channels"},
    {"backbones", "set_encoders"},
    {"references", "refit"},
    {"training", "measure"},
    {"meta"},
    {"pruning", "baselines"},
    {"report", "export", "serving", "shrinking"},
    {"compression"},
    {"pruned_runs"},
    {"inspection", "comparison", "sweeping", "benchmarking"},
    {"testing"},  # contracts for the authors of plug-ins; nothing in the library imports them
)
TIER = {part: number for number, tier in enumerate(TIERS) for part in tier}

# The tensor mathematics at the bottom knows no files and no data sets.
FORBIDDEN = {(above, below) for above in ("layers", "channels") for below in ("data", "storage")}

# The mathematics and the bottom run on any Keras backend and may not name TensorFlow. A file of another part
# may, if its docstring says so.
PURE = {*TIERS[0], "storage", "layers", "channels", "backbones", "set_encoders"}
EDGES = {"stamp_tf/export/saved_model.py"}


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


def test_training_differs_between_backends_in_three_files():
    """README says so. What reads, measures and exports by TensorFlow alone has other files."""
    edges = {"data", "measure", "export", "serving"}
    found = {
        source.path
        for source in library()
        for one in source.imports
        if one.package in {*TENSORFLOW, "jax"} and source.part not in edges
    }
    assert found == {"stamp_tf/backend.py", "stamp_tf/meta/meta_step.py", "stamp_tf/workers.py"}
    assert all(f"`{path}`" in Path(__file__).parents[2].joinpath("README.md").read_text() for path in found)


def may_speak_tensorflow(source: Source) -> bool:
    """Whether a file lies on the edge between Keras and TensorFlow."""
    return source.path in EDGES or (
        source.part not in PURE and "TensorFlow" in (ast.get_docstring(source.tree) or "")
    )


def test_what_a_benchmark_varies_is_an_argument():
    """Nothing in the library is replaced from outside."""
    programs = [*Path(__file__).parents[2].joinpath("benchmarks").rglob("*.py")]
    assert programs
    assert not [
        f"{path} imports {one.module}"
        for path in programs
        for one in imports_of(ast.parse(path.read_text()))
        if one.module.startswith("unittest")
    ]
