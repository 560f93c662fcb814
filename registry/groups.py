"""The entry-point groups and what each asks of its targets."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contract:
    """What the registry can check of a target without knowing its base class.

    Args:
        noun: What a member is called in messages, in the singular.
        is_class: Whether the target must be a class; otherwise any callable will do.
        methods: Attributes that a class must have.
    """

    noun: str
    is_class: bool = False
    methods: tuple[str, ...] = ()

    def violation(self, target: object) -> str:
        """Say what is wrong with a target.

        Args:
            target: The loaded object.

        Returns:
            The broken rule and what was received, or the empty string if all is well.
        """
        if self.is_class and not isinstance(target, type):
            return f"must be a class, but is of type {type(target).__name__}"
        if not callable(target):
            return f"must be callable, but is of type {type(target).__name__}"
        missing = [method for method in self.methods if not callable(getattr(target, method, None))]
        if missing:
            return f"must have the methods {', '.join(self.methods)}, but lacks {', '.join(missing)}"
        return ""


# Set encoders and mask generators are Keras layers; the registry must not import Keras to say so.
CONTRACTS = {
    "stamp_tf.backbones": Contract("backbone"),
    "stamp_tf.channel_rules": Contract("channel rule"),
    "stamp_tf.set_encoders": Contract("set encoder", is_class=True, methods=("call", "get_config")),
    "stamp_tf.mask_generators": Contract("mask generator", is_class=True, methods=("call", "get_config")),
    "stamp_tf.pruners": Contract("pruner", is_class=True),
    "stamp_tf.datasets": Contract("data set"),
    "stamp_tf.exporters": Contract("exporter"),
    "stamp_tf.readers": Contract("reader"),
}

GROUPS = tuple(CONTRACTS)
