"""Self-contained pages from the templates in the folder beside this file."""

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template

from stamp_tf.printable import printable
from stamp_tf.quantities import compact, duration, factor, percent, points, share


def render(template: str, **values: Any) -> str:
    """Return a page; in HTML names and texts are escaped, and everywhere characters that cannot be seen.

    Args:
        template: File name of the template.
        **values: What it shows.
    """
    return printable(_compiled(template).render(values), allowed="\n")


@cache
def _compiled(template: str) -> Template:
    """Return a template, which takes Jinja longer to compile than to fill in."""
    environment = Environment(
        loader=FunctionLoader(_source),
        # Only what a browser reads knows escapes of HTML.
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for number in (compact, duration, factor, percent, points, share):
        environment.filters[number.__name__] = number
    return environment.get_template(template)


def _source(name: str) -> str:
    # As text, so that it is found inside a zipped package as well.
    return files("stamp_tf.report").joinpath("templates", name).read_text("utf-8")
