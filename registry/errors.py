"""What can be wrong with a name."""


class RegistryError(LookupError):
    """A name that cannot become an object. The message is one line that says why and what to do."""


class UnknownName(RegistryError):
    """No installed package declares the name."""


class DuplicateName(RegistryError):
    """More than one installed package declares the name, so it is ambiguous."""


class BrokenPlugin(RegistryError):
    """The target raised or exited at import, is missing, or is not what its group asks for."""


class MissingExtra(BrokenPlugin):
    """The target needs a package that comes with an extra of its own package, which is not installed."""
