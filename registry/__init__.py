"""Names of plug-ins and the objects behind them.

Built-in and third-party backbones, set encoders, mask generators, pruners, data sets, exporters and
readers enter by the same door: an entry point in one of `GROUPS`. Listing and finding names imports nothing; loading
a name imports that target alone.
"""

from stamp_registry.errors import BrokenPlugin, DuplicateName, MissingExtra, RegistryError, UnknownName
from stamp_registry.groups import GROUPS
from stamp_registry.loading import describe, find, is_built_in, load, names
from stamp_registry.plugins import Plugin, plugins
from stamp_registry.suggestions import did_you_mean

__all__ = [
    "GROUPS",
    "BrokenPlugin",
    "DuplicateName",
    "MissingExtra",
    "Plugin",
    "RegistryError",
    "UnknownName",
    "describe",
    "did_you_mean",
    "find",
    "is_built_in",
    "load",
    "names",
    "plugins",
]
