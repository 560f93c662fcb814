"""Write api.md beside this file: every public name of stamp_tf, from its signature, docstring and options.

    python docs/make_api.py

A test compares the page with what this writes, so that it is never behind the code.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import stamp_registry
import stamp_tf
from stamp_tf.options.option import flag_of, option_of

PAGE = Path(__file__).with_name("api.md")
_SECTION = re.compile(r"^([A-Z][a-z]+):$", re.MULTILINE)
_ENTRY = re.compile(r"^(\**\w+): ", re.MULTILINE)
_ABOUT = """# The Python interface

Every public name of `stamp_tf`, made from the docstrings by `docs/make_api.py`. A name is imported when first used.
Wrong input raises `StampError`, a `ValueError` whose one line names the argument, the rule, what came and the remedy.
"""


def page() -> str:
    """Return the whole page."""
    names = [name for name in stamp_tf.__all__ if not name.startswith("_")]
    functions = [name for name in names if inspect.isfunction(getattr(stamp_tf, name))]
    classes = [name for name in names if name not in functions]
    contents = [
        f"- {', '.join(f'[`{name}`](#{name.lower()})' for name in part)}" for part in (functions, classes)
    ]
    chapters = [
        *(describe_function(name, getattr(stamp_tf, name)) for name in functions),
        *(_class(name, getattr(stamp_tf, name)) for name in classes),
    ]
    return "\n".join([_ABOUT, *contents, "", "\n".join(chapters)])


def describe_function(name: str, function: Any) -> str:
    """Return the chapter of a function, in Markdown.

    Args:
        name: As it is imported.
        function: Its signature and docstring are read.
    """
    return "\n".join([f"## {name}", "", _code(_signature(name, function)), "", *_sections(function)])


def _class(name: str, kind: type) -> str:
    lines = [f"## {name}", ""]
    if issubclass(kind, Exception):
        return "\n".join([*lines, *_sections(kind)])
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    told = [field for field in fields if option_of(field).help]
    lines += [*_sections(kind, without=["Args"] if told else [])]
    if told:
        lines += ["| option | type | default | |", "|---|---|---|---|", *map(_row, told), ""]
    if kind is stamp_tf.PruneConfig:
        lines += _methods()
    members = [f"- `.{name}`: {_first_sentence(member)}" for name, member in _members(kind)]
    return "\n".join([*lines, *members, *([""] if members else [])])


def _methods() -> Iterator[str]:
    """Yield a table of `options` for each built-in method that has some."""
    group = "stamp_tf.pruners"
    for method in filter(lambda name: stamp_registry.is_built_in(group, name), stamp_registry.names(group)):
        yield from [f"### Options of `{method}`", "", "| option | type | default | |", "|---|---|---|---|"]
        for field in dataclasses.fields(stamp_registry.load(group, method).options):
            yield _row(field, flag=option_of(field).flag or f"method-option {field.name}=...")
        yield ""


def _row(field: dataclasses.Field[Any], *, flag: str | None = None) -> str:
    """Return a line of the table of options."""
    said = option_of(field)
    if field.default is not dataclasses.MISSING:
        default = f"`{field.default!r}`"
    else:
        default = (
            "" if field.default_factory is dataclasses.MISSING else f"`{_made(field.default_factory())}`"
        )
    if said.default_in_words:
        default = said.default_in_words
    rule = f" {said.rule.capitalize()}." if said.rule else ""
    flag = "" if said.is_only_python or said.inner else f" `--{flag or flag_of(field.name, said)}`"
    cells = (f"`{field.name}`", f"`{field.type}`", default, f"{said.help}{rule}{flag}")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _made(value: Any) -> str:
    """Return a default in words; options within options are told of under their own name."""
    return f"{type(value).__name__}()" if dataclasses.is_dataclass(value) else repr(value)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class defines itself, with a docstring."""
    for name, member in vars(kind).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(function) and function.__doc__:
            yield name, function


def _signature(name: str, function: Any) -> str:
    """Return a signature with one argument a line, as one would write it."""
    lines, is_keyword = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not is_keyword:
            lines.append("*")
            is_keyword = True
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = parameter.default
        value = (
            "" if default is parameter.empty else f" = {getattr(default, '__name__', None) or repr(default)}"
        )
        lines.append(f"{stars}{parameter.name}: {_type(parameter.annotation)}{value}")
    returned = _type(inspect.signature(function).return_annotation)
    return f"stamp_tf.{name}(\n" + "".join(f"    {line},\n" for line in lines) + f") -> {returned}"


def _type(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    # Where a class lies is of no interest.
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", inspect.formatannotation(annotation))


def _sections(owner: Any, *, without: Sequence[str] = ()) -> Iterator[str]:
    """Yield the lines of a docstring in Google's style as Markdown."""
    head, *rest = _SECTION.split(inspect.getdoc(owner) or "")
    yield head.strip()
    yield ""
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        if title in without:
            continue
        text = inspect.cleandoc(body)
        if title == "Example":
            yield _code(text)
        elif title in ("Args", "Raises"):
            yield f"**{title}**"
            yield ""
            yield from _entries(text)
        else:
            yield f"**{title}**: {_joined(text)}"
        yield ""


def _entries(text: str) -> Iterator[str]:
    """Yield a list with a line for each argument or error."""
    starts = [match.start() for match in _ENTRY.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        name, _, words = text[start:end].partition(": ")
        yield f"- `{name}`: {_joined(words)}"


def _first_sentence(function: Any) -> str:
    return _joined((inspect.getdoc(function) or "").partition("\n\n")[0])


def _joined(text: str) -> str:
    return " ".join(text.split())


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


if __name__ == "__main__":
    PAGE.write_text(page())
