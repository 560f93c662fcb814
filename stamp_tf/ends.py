"""How a classifier ends: what turns its logits into what it puts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Activation = Literal["linear", "softmax", "log_softmax", "sigmoid", "log_sigmoid"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
"""What may stand behind logits, by Keras's names; `linear` leaves them as they are."""


@dataclass(frozen=True)
class End:
    """The end of a classifier, which is taken off while it is trained and put back in what leaves.

    What is trained always gives logits. The end decides which loss they get: softmax and none the cross-entropy of
    classes that exclude each other, sigmoid one binary cross-entropy per class.

    Args:
        activation: What stands behind the logits.
        is_binary: Whether one logit, that of the second class, stands for two classes.
        layer: Name of the layer that the activation is; None where it belongs to the layer that makes the logits.
    """

    activation: Activation = "linear"
    is_binary: bool = False
    layer: str | None = None

    @property
    def is_per_class(self) -> bool:
        """Whether every class is told from the rest on its own, so that probabilities need not add up to 1."""
        return not self.is_binary and self.activation in ("sigmoid", "log_sigmoid")

    @property
    def in_words(self) -> str:
        """What the network puts out, for people."""
        named = {
            "linear": "logits",
            "softmax": "a softmax",
            "log_softmax": "the logarithm of a softmax",
            "sigmoid": "a sigmoid" if self.is_binary else "a sigmoid per class",
            "log_sigmoid": "the logarithm of a sigmoid" + ("" if self.is_binary else " per class"),
        }
        return "one logit for two classes" if self == End(is_binary=True) else named[self.activation]

    def num_logits(self, num_classes: int) -> int:
        """Return how many logits the classes take."""
        return 1 if self.is_binary else num_classes

    def num_classes(self, num_logits: int) -> int:
        """Return how many classes the logits tell apart."""
        return 2 if self.is_binary else num_logits

    def to_config(self) -> dict[str, Any]:
        """Return JSON content."""
        return {"activation": self.activation, "is_binary": self.is_binary, "layer": self.layer}

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> End:
        """Undo `to_config`; nothing, as in files of before ends were kept, stands for logits."""
        return cls() if config is None else cls(**config)


LOGITS = End()
"""That of every network which a backbone of the registry builds."""
