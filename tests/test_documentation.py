"""What the documents name exists: files, links, commands, and the recipes' own code."""

import ast
import re
from pathlib import Path

import pytest

from stamp_cli.main import COMMANDS
from stamp_registry import GROUPS

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "GLOSSARY.md", "CHANGELOG.md"),
    *("docs/data.md", "docs/prune-your-own.md", "docs/tracing.md"),
)

# Names that begin with one of these mean the repository, wherever they stand. Others may be a user's files.
FOLDERS = ("stamp_tf", "registry", "cli", "tests", "examples", "benchmarks", "docs")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
# `stamp-tf` where a shell would look for a command: first in the line, or behind variables or an operator.
COMMAND = re.compile(r"(?:^|&&|;|\|)\s*(?:\$ )?(?:\w+=\S+ )*stamp-tf +([a-z][\w-]*)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ENTRY_POINT = re.compile(r'^"?([\w.-]+)"? = "([\w.]+):(\w+)"$', re.MULTILINE)


@pytest.fixture(params=DOCUMENTS)
def path(request: pytest.FixtureRequest) -> Path:
    return ROOT / request.param


@pytest.fixture
def document(path: Path) -> str:
    return path.read_text()


def code_of(text: str) -> list[str]:
    """Every piece of code of a document: lines of blocks, fenced or indented, and spans between backticks."""
    pieces, is_fenced = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            pieces.append(line)
        else:
            pieces += re.findall(r"`([^`]+)`", line)
    return pieces


def anchors(text: str) -> set[str]:
    """What a link within a document can point to: its headings, as GitHub spells them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(language: str) -> list[str]:
    return [
        body for found, body in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text()) if found == language
    ]


def recipe_files() -> dict[str, str]:
    """The Python files of the recipes, by the path that their first line names."""
    named = [re.match(r"# (acorn/\S+)\n", body) for body in blocks("python")]
    assert all(named), "a recipe's block must begin with its path"
    return {match[1]: match.string for match in named if match}


def test_paths_exist(document):
    paths = {found.rstrip(".,") for found in PATH.findall(document)}
    assert not [path for path in sorted(paths) if not any(ROOT.glob(path))]


def test_links_lead_somewhere(path, document):
    missing = []
    for target in LINK.findall(document):
        file, _, anchor = target.partition("#")
        there = (path.parent / file).read_text() if file and anchor else document
        if not (path.parent / file).exists() or (anchor and anchor not in anchors(there)):
            missing.append(target)
    assert not missing


def test_commands_exist(document):
    named = {name for piece in code_of(document) for name in COMMAND.findall(piece)}
    assert named <= set(COMMANDS)


def test_the_changelog_names_every_command():
    text = (ROOT / "CHANGELOG.md").read_text()
    assert not [name for name in COMMANDS if f"`{name}`" not in text]


def test_every_kind_of_plugin_has_a_recipe():
    declared = re.findall(r'^\[project.entry-points."(.+)"\]$', "\n".join(blocks("toml")), re.MULTILINE)
    assert sorted(declared) == sorted(GROUPS)


def test_recipes_compile():
    for path, source in recipe_files().items():
        compile(source, path, "exec")


def test_recipes_define_what_their_entry_points_name():
    targets = ENTRY_POINT.findall("\n".join(blocks("toml")))
    assert len(targets) == len(GROUPS)
    for name, module, attribute in targets:
        tree = ast.parse(recipe_files()[f"acorn/src/{module.replace('.', '/')}.py"])
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        assert attribute in defined, name


def test_every_recipe_has_a_test():
    files = recipe_files()
    modules = [
        Path(path).stem for path in files if path.startswith("acorn/src/acorn/") and "__init__" not in path
    ]
    assert modules
    assert not [module for module in modules if f"acorn/tests/test_{module}.py" not in files]
