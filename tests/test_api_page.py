"""The page of the Python interface is what its docstrings make, and tells of every public name."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

import stamp_tf

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_api", DOCS / "make_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(program: ModuleType) -> None:
    assert (DOCS / "api.md").read_text() == program.page(), "run python docs/make_api.py"


def test_every_public_name_has_its_place(program: ModuleType) -> None:
    headings = {line.removeprefix("## ") for line in program.page().splitlines() if line.startswith("## ")}
    assert headings == {name for name in stamp_tf.__all__ if not name.startswith("_")}


def test_sections_of_a_docstring_are_told_apart(program: ModuleType) -> None:
    def double(number: int, *, times: int = 2) -> int:
        """Return a multiple.

        Args:
            number: Any,
                even none.
            times: How often.

        Returns:
            The product.

        Raises:
            StampError: Never.

        Example:
            >>> double(2)
        """
        return number * times

    page = program.describe_function("double", double)
    assert "    number: int,\n    *,\n    times: int = 2,\n) -> int" in page
    assert "- `number`: Any, even none.\n- `times`: How often.\n" in page
    assert "**Returns**: The product.\n" in page
    assert "- `StampError`: Never.\n" in page
    assert "```python\n>>> double(2)\n```" in page
