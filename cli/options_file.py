"""Options in a file: `--config FILE` reads them, and every run keeps its own as `options.yaml`."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import click
from click.core import ParameterSource

from stamp_cli.values import FilePath, KeyValue, OneOrMore, typed_texts
from stamp_registry import did_you_mean
from stamp_tf.errors import StampError
from stamp_tf.options.fields import shortened

_FILE = "stamp_cli.options_file"
# A file of options has a few hundred bytes.
_LARGEST = 10**6
# Where a run is written, and how, is for each command to say.
_NOT_KEPT = frozenset({"run_dir", "resume", "overwrite"})
_NO_VALUE = ("", "~", "null")


@runtime_checkable
class _KnowsIdle(Protocol):
    def idle_options(self, values: Mapping[str, Any]) -> frozenset[str]: ...

    def is_asked_for(self, ctx: click.Context, name: str) -> bool: ...


def _read(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is None or ctx.resilient_parsing:
        return
    options, found = dict(_options(ctx.command)), _parsed(path)
    for key in found:
        if key not in options:
            raise StampError(
                f"{path} must hold options of {ctx.info_name} by their flags without the dashes in front, but holds "
                f"{key!r}; leave it out.{did_you_mean(key, options)}"
            )
    ctx.meta[_FILE] = path
    ctx.default_map = {
        options[key].name: _as_typed(options[key], value, f"{key} in {path}")
        for key, value in found.items()
        if value not in _NO_VALUE
    }


config_option = click.option(
    "--config",
    type=FilePath(),
    metavar="FILE",
    # Before the others, whose values it may hold.
    is_eager=True,
    expose_value=False,
    callback=_read,
    help="A file of options in YAML, such as the options.yaml of a run. What is typed comes first, and --no- before a "
    "flag takes back what the file says.",
)
"""Lets a command take its options from a file, too."""


def name_the_file(ctx: click.Context, error: click.BadParameter) -> None:
    """Let a refused value say that it stands in the file.

    Args:
        ctx: Of the command.
        error: Its `param_hint` is set.
    """
    parameter = error.param
    if parameter is None or parameter.name is None or _FILE not in ctx.meta:
        return
    if ctx.get_parameter_source(parameter.name) is ParameterSource.DEFAULT_MAP:
        error.param_hint = f"{_key(parameter)!r} in {ctx.meta[_FILE]}"


def resolved_options(**settled: Any) -> str:
    """Return the options of the running command as such a file, defaults filled in.

    Options that would do nothing beside the others are left out.

    Args:
        **settled: Option -> its value, where the command has found out what one that was not given is, or one of the
            values that were given for it.
    """
    import yaml

    ctx = click.get_current_context()
    text: str = yaml.safe_dump(_kept(ctx, settled), sort_keys=False, allow_unicode=True)
    return f"# stamp-tf {ctx.info_name} --config THIS_FILE does it again.\n{text}"


def command_again(**settled: Any) -> str:
    """Return the running command as it would be typed with other values of some options, for reports.

    What a file of options said is typed, too; what is as it would be anyway is left out.

    Args:
        **settled: Option -> its value instead; with None or nothing in it, it is left out.
    """
    ctx = click.get_current_context()
    assert isinstance(ctx.command, _KnowsIdle)
    kept, words = _kept(ctx, settled), ["stamp-tf", ctx.info_name or ""]
    for key, option in _options(ctx.command):
        name = option.name or ""
        if key in kept and (name in settled or ctx.command.is_asked_for(ctx, name)):
            words += _words(option, kept[key])
    return shlex.join(words)


def _words(option: click.Option, value: Any) -> list[str]:
    """Return what is typed for a value as a file of options holds it."""
    flag = option.opts[0]
    if isinstance(value, bool):
        return [flag] if value else option.secondary_opts[:1]
    if isinstance(value, dict):
        texts = {
            key: one if isinstance(one, str) else json.dumps(_as_json(one)) for key, one in value.items()
        }
        value = [f"{key}={text}" for key, text in texts.items()]
    values = value if isinstance(value, list) else [value]
    return [word for one in values for word in (flag, str(one))]


def _kept(ctx: click.Context, settled: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a command by key, as a file of options holds them."""
    from stamp_tf.data.origin import absolute_path, absolute_spec

    values, texts, kept = {**ctx.params, **settled}, typed_texts(ctx), {}
    assert isinstance(ctx.command, _KnowsIdle)
    idle = ctx.command.idle_options(values)
    for key, option in _options(ctx.command):
        value = values.get(option.name or "")
        if option.name in (_NOT_KEPT - settled.keys()) | idle or value is None or value == ():
            continue
        if option.name == "dataset":
            value = absolute_spec(value)[0]
        elif isinstance(value, Path):
            value = str(absolute_path(value))
        elif isinstance(option.type, KeyValue):
            value = {name: _as_text(setting) for name, setting in value}
        elif isinstance(value, tuple) and option.multiple:
            value = list(value)
        kept[key] = value if option.name in settled else texts.get(option.name or "", value)
    return kept


def _options(command: click.Command) -> Iterator[tuple[str, click.Option]]:
    """Yield the options that may stand in a file, by key."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.expose_value:
            yield _key(parameter), parameter


def _key(parameter: click.Parameter) -> str:
    return parameter.opts[0].removeprefix("--")


def _parsed(path: Path) -> dict[str, Any]:
    """Return the mapping in a file; what is no mapping and no list is text, as it would be typed."""
    import yaml

    text = _text(path)
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.BaseLoader)):
            raise _refusal(path, "refers to parts of itself", "write them out")
        found = yaml.load(text, _loader(path))
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = "" if mark is None else f" in line {mark.line + 1}"
        said = f" ({problem})" if problem else ""
        raise _refusal(path, f"holds something else{where}{said}", "mend it") from None
    except RecursionError:
        raise _refusal(path, "is nested too deeply", "mend it") from None
    if found is None:
        raise _refusal(path, "is empty", "name another")
    if not isinstance(found, dict):
        raise _refusal(path, f"holds a {'list' if isinstance(found, list) else 'text'}", "write NAME: VALUE")
    return found


def _text(path: Path) -> str:
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file" if path.exists() else "not there"
        raise _refusal(path, f"is {what}", "name another")
    if path.stat().st_size > _LARGEST:
        raise _refusal(path, "is too large", "name another")
    try:
        text = path.read_text(encoding="utf-8")
    except PermissionError:
        raise _refusal(path, "may not be read", "change its permissions") from None
    except UnicodeDecodeError:
        raise _refusal(path, "holds no text in UTF-8", "name another") from None
    return text


def _refusal(path: Path, fault: str, remedy: str) -> StampError:
    return StampError(f"--config must name a file of options in YAML, but {path} {fault}; {remedy}.")


def _loader(path: Path) -> Any:
    """Return a loader that takes no key twice and every value for text."""
    import yaml

    class Loader(yaml.BaseLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            lines: dict[str, int] = {}
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode):
                    raise _refusal(path, f"has a name in line {line} that is no text", "write NAME: VALUE")
                if key.value in lines:
                    where = (
                        f"in lines {lines[key.value]} and {line}"
                        if lines[key.value] < line
                        else f"in line {line}"
                    )
                    raise _refusal(path, f"holds {key.value!r} twice, {where}", "leave one of them out")
                lines[key.value] = line
            return super().construct_mapping(node, deep=deep)

    return Loader


def _as_typed(option: click.Option, value: Any, where: str) -> Any:
    """Return a value of a file as the values of an option come from a shell."""
    if isinstance(option.type, KeyValue) and isinstance(value, dict):
        return [f"{key}={json.dumps(_as_json(setting))}" for key, setting in value.items()]
    is_list = isinstance(value, list) and (option.multiple or isinstance(option.type, OneOrMore))
    values = value if is_list else [value]
    for one in values:
        if not isinstance(one, str):
            kind = "list" if isinstance(one, list) else "mapping"
            raise StampError(f"{where} must be one value, but is a {kind}; write one.")
        if isinstance(option.type, click.types.BoolParamType) and click.BOOL.str_to_bool(one) is None:
            raise StampError(
                f"{where} must be true or false, but is {shortened(repr(one))}; write one of them."
            )
    if isinstance(option.type, OneOrMore):
        return ",".join(values)
    return values if option.multiple else value


def _as_json(value: Any) -> Any:
    """Return what a text says as JSON, as behind KEY= on a command line; text where it is none."""
    if isinstance(value, dict):
        return {key: _as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _as_text(value: Any) -> Any:
    """Return what `_as_json` reads as a value."""
    if isinstance(value, dict):
        return {key: _as_text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    return value if isinstance(value, str) and _as_json(value) == value else json.dumps(value)
