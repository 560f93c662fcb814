"""How a network that left is called: what goes in, what comes out, and which classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stamp_tf.ends import LOGITS, End
from stamp_tf.storage.records import decode
from stamp_tf.storage.schemas import Contract

_MOST_NAMES = 6


@dataclass(frozen=True)
class Calling:
    """The contract of the exported files: one for the SavedModel and the `.keras` file, but for what is said.

    Args:
        image_shape: Height, width and depth that the network itself takes.
        class_names: In the order of the outputs.
        end: What the network ends in; the SavedModel gives probabilities in any case.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    end: End = LOGITS

    @property
    def takes(self) -> str:
        """What the SavedModel takes, in one line."""
        height, width, depth = self.image_shape
        return (
            f"uint8 or float32 [batch, height, width, {depth}], pixels 0 to 255, of any size (resized to "
            f"{height} x {width}, bilinear)"
        )

    @property
    def gives(self) -> str:
        """What comes out of it, in one line."""
        names = ", ".join(self.class_names[:_MOST_NAMES])
        more = ", ..." if len(self.class_names) > _MOST_NAMES else ""
        return f"class_name and probabilities of {len(self.class_names)} classes: {names}{more}"

    @property
    def keras_takes(self) -> str:
        """What the `.keras` file takes and gives, in one line."""
        shape = ", ".join(str(size) for size in self.image_shape)
        return f"[batch, {shape}], pixels 0 to 255 as well, already of that size; gives {self.end.in_words}"

    @property
    def others_take(self) -> str:
        """What files of LiteRT, ONNX and OpenVINO take and give, in one line."""
        shape = ", ".join(str(size) for size in self.image_shape)
        return (
            f"image, float32 (uint8 for litert-int8) [batch, {shape}], pixels 0 to 255, already of that size; give "
            f"probabilities [batch, {len(self.class_names)}]"
        )

    def example(self, folder: str = "saved_model") -> tuple[str, str, str]:
        """Return three lines of Python that call the SavedModel.

        Args:
            folder: Where it lies.
        """
        return (
            "import tensorflow as tf",
            f"network = tf.saved_model.load({folder!r})",
            'print(network(images)["class_name"])  # [batch, height, width, depth], 0 to 255',
        )

    def to_json(self) -> dict[str, Any]:
        """Return the contract as JSON content."""
        height, width, depth = self.image_shape
        return {
            "input": {
                "dtypes": ["uint8", "float32"],
                "also": "other types of numbers, and one image without the batch, where the network itself is called; "
                "a signature takes its own type and shape alone",
                "shape": ["batch", "height", "width", depth],
                "pixels": [0, 255],
                "size": [height, width],
                "resize": "height and width each on its own, bilinear, antialiased where it shrinks",
                "scaling": "inside",
            },
            "output": {
                "class_name": "the likeliest class of each image",
                "probabilities": f"[batch, {len(self.class_names)}] in the order of classes, "
                + ("each in [0, 1] on its own" if self.end.is_per_class else "adding up to 1"),
                "logits": f"[batch, {self.end.num_logits(len(self.class_names))}] before them",
            },
            "classes": list(self.class_names),
            "end": self.end.to_config(),
            "keras_file": {"shape": ["batch", height, width, depth], "gives": self.end.in_words},
            "takes": self.takes,
            "gives": self.gives,
            "keras_takes": self.keras_takes,
            "others_take": self.others_take,
            "example": list(self.example()),
        }


def calling_of(image_shape: Sequence[int], class_names: Sequence[str], end: End) -> Calling:
    """Return the contract of a network.

    Args:
        image_shape: Height, width and depth.
        class_names: One per class.
        end: What it ends in.
    """
    height, width, depth = image_shape
    return Calling((height, width, depth), tuple(class_names), end)


def read_calling(content: bytes, *, source: object) -> Calling:
    """Undo `Calling.to_json`.

    Args:
        content: The JSON text.
        source: Where it comes from, for messages.

    Raises:
        StampError: If it is no such contract.
    """
    contract = decode(content, Contract, source=source, remedy="export it anew")
    (height, width), depth = contract.input.size, contract.input.shape[-1]
    return Calling((height, width, depth), contract.classes, End.from_config(contract.end))
