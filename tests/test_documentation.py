"""What the documents name exists: files, links, commands, and the code that they show."""

import re
import tomllib
from pathlib import Path

import pytest

from stamp_cli.main import COMMANDS
from stamp_registry import GROUPS
from stamp_tf import testing

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "GLOSSARY.md", "CHANGELOG.md"),
    *(
        "docs/data.md",
        "docs/use-it.md",
        "docs/prune-your-own.md",
        "docs/tracing.md",
        "docs/refit.md",
        "docs/reference.md",
        "docs/api.md",
        "docs/several-machines.md",
        "docs/papers.md",
    ),
    *("docs/plug-ins.md", "examples/acorn/README.md"),
)
EXAMPLE = ROOT / "examples/acorn"

# Names that begin with one of these mean the repository, wherever they stand. Others may be a user's files.
FOLDERS = ("stamp_tf", "registry", "cli", "tests", "examples", "benchmarks", "docs")
PATH = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./*-]*")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
# `stamp-tf` where a shell would look for a command: first in the line, or behind variables or an operator.
COMMAND = re.compile(r"(?:^|&&|;|\|)\s*(?:\$ )?(?:\w+=\S+ )*stamp-tf +([a-z][\w-]*)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FROM_A_FILE = re.compile(r"# (examples/\S+)\n(.*)", re.DOTALL)


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


def shown(document: str) -> list[tuple[str, str, str]]:
    """Blocks of code that are taken from a file: their language, the file that the first line names, and the rest."""
    found = [(language, FROM_A_FILE.fullmatch(body)) for language, body in BLOCK.findall(document)]
    return [(language, match[1], match[2]) for language, match in found if match]


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


PLUGINS_PAGE = (ROOT / "docs/plug-ins.md").read_text()


def test_code_for_authors_of_plugins_is_taken_from_the_example():
    blocks = [language for language, _ in BLOCK.findall(PLUGINS_PAGE) if language != "sh"]
    assert len(blocks) == len(shown(PLUGINS_PAGE)) > len(GROUPS)


def test_shown_code_occurs_in_its_file(document):
    assert not [path for _, path, code in shown(document) if code not in (ROOT / path).read_text()]


def test_the_example_has_every_kind_of_plugin_and_the_page_goes_through_them():
    declared = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    assert sorted(declared) == sorted(GROUPS)
    pages = {path for _, path, _ in shown(PLUGINS_PAGE)}
    for group, entries in declared.items():
        modules = {target.partition(":")[0].replace(".", "/") for target in entries.values()}
        assert pages & {f"examples/acorn/src/{module}.py" for module in modules}, group
        assert all((EXAMPLE / f"src/{module}.py").exists() for module in modules), group
        assert f"`{group}`" in PLUGINS_PAGE


def test_a_plugin_of_the_example_is_one_file_and_one_line():
    """As the table in CONTRIBUTING counts. A rule stands beside the layer that it is for, which its backbone uses."""
    declared = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"]
    modules = [target.partition(":")[0] for entries in declared.values() for target in entries.values()]
    files = {path.stem for path in (EXAMPLE / "src/acorn").glob("*.py")} - {"__init__"}
    assert sorted(modules) == sorted(f"acorn.{name}" for name in files)
    for group in ("pruners", "exporters", "set_encoders"):
        (target,) = declared[f"stamp_tf.{group}"].values()
        source = (EXAMPLE / f"src/{target.partition(':')[0].replace('.', '/')}.py").read_text()
        assert "import acorn" not in source
        assert "from acorn" not in source


def test_every_check_for_authors_is_used_by_the_example_and_named_by_the_page():
    tests = "".join(path.read_text() for path in (EXAMPLE / "tests").glob("test_*.py"))
    assert len(testing.__all__) == len(GROUPS)
    assert not [
        name for name in testing.__all__ if f"{name}(" not in tests or f"`{name}(" not in PLUGINS_PAGE
    ]


def glossary() -> dict[str, list[str]]:
    """The first cells of the glossary's tables, words that share a row apart, by heading."""
    words: dict[str, list[str]] = {}
    heading = ""
    for line in (ROOT / "GLOSSARY.md").read_text().splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith(("| letter |", "| word |")):
            words.setdefault(heading, []).extend(line.split("|")[1].strip().split(", "))
    return words


def test_every_word_has_one_entry() -> None:
    tables = glossary()
    for letters in (tables.pop("Letters of shapes"), tables.pop("Letters of formulas and figures")):
        assert len(letters) == len(set(letters))
    words = [word for of_table in tables.values() for word in of_table]
    assert len(words) == len(set(words))


def test_every_letter_of_a_shape_is_in_the_glossary() -> None:
    shape = re.compile(r"`\[([\w ,.*+()-]+)\]`")
    letters = {
        letter
        for path in (ROOT / "stamp_tf").rglob("*.py")
        for found in shape.findall(path.read_text())
        for letter in re.findall(r"\b[A-Za-z]\b", found)
    }
    assert letters <= {*glossary()["Letters of shapes"], "a"}


def test_a_reference_is_a_network_and_no_heading() -> None:
    assert not [
        path
        for path in (ROOT / "stamp_tf").rglob("*.py")
        if re.search(r"^ +References?:$", path.read_text(), re.M)
    ]
