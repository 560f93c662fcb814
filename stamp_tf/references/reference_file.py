"""A reference on disk: one file of arrays with a description that makes the networks anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import stamp_registry
from stamp_tf.channels import TracedNetwork
from stamp_tf.channels.derived_state import derive_state
from stamp_tf.data import Normalization
from stamp_tf.errors import StampError
from stamp_tf.finite import require_finite
from stamp_tf.layers.make_layer import make_layer
from stamp_tf.layers.registered import LAYER_KINDS, LayerKind, RegisteredLayer
from stamp_tf.references.backbone_config import BackboneConfig
from stamp_tf.references.layer_arrays import assign_arrays
from stamp_tf.references.pixels.choice import PixelChoice
from stamp_tf.references.reference import Reference
from stamp_tf.storage.checkpoints import load_state, save_state
from stamp_tf.storage.records import check
from stamp_tf.storage.schemas import ReferenceDescription

_RETIRED = {"set_encoder": ("images", "constant"), "mask_generator": ("class-separation",)}
"""Names that older files may hold. A package may give one a meaning again."""


def save_reference(reference: Reference, path: Path, *, half_precision: bool = False) -> None:
    """Write a reference into one file.

    Args:
        reference: What to keep.
        path: The file, `.npz`.
        half_precision: Keep the network's kernels in float16, half of the size; all else stays as it is.
    """
    arrays = reference.arrays()
    if half_precision:
        kernels = [name for name, value in arrays.items() if name.startswith("model/") and value.ndim > 1]
        arrays |= {name: arrays[name].astype("float16") for name in kernels}
    save_state(path, arrays, metadata_of(reference))


def metadata_of(reference: Reference) -> dict[str, Any]:
    """Return what `load_reference` needs besides the arrays, as JSON content."""
    pixels = {} if reference.pixels is None else reference.pixels.to_config()
    return {
        "backbone": reference.backbone.to_config(),
        "normalization": reference.normalization.to_config(),
        "description": {**reference.description, **pixels},
        **{kind.name: None for kind in LAYER_KINDS},
        **{made.kind.name: made.to_config() for made in reference.layers},
    }


def load_reference(path: Path) -> Reference:
    """Load what `save_reference` wrote.

    Args:
        path: The file.

    Raises:
        StampError: If it is missing, truncated, not ours, or does not fit the networks it names.
    """
    arrays, metadata = load_state(path)
    return reference_from(arrays, metadata, path=path)


def reference_from(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any], *, path: Path) -> Reference:
    """Build a reference from its arrays and description; `path` is for messages.

    Raises:
        StampError: If they do not fit each other.
    """
    check(
        metadata, ReferenceDescription, source=f"The description in {path}", remedy="use another checkpoint"
    )
    _check_not_retired(metadata, path=path)
    backbone = BackboneConfig.from_config(metadata["backbone"])
    model = backbone.build()
    assign_arrays("model", model, arrays, path=path)
    derive_state(model)
    require_finite(
        arrays,
        subject=f"Values of the checkpoint {path}",
        remedy="use another, from before training diverged",
    )
    network = TracedNetwork.of(model)
    scores, num_channels = arrays.get("scores"), network.channel_map.num_channels
    if scores is not None and scores.shape != (num_channels,):
        raise StampError(
            f"A checkpoint must have one score per channel ({num_channels}), but {path} has shape {scores.shape}; "
            "use another."
        )
    pixels, description = PixelChoice.taken_from(metadata.get("description", {}))
    return Reference(
        backbone=backbone,
        network=network,
        normalization=Normalization.from_config(metadata["normalization"]),
        pixels=pixels,
        scores=scores,
        description=description,
        **{
            kind.name: _layer_from(kind, config, arrays, path=path)
            for kind in LAYER_KINDS
            if (config := metadata[kind.name]) is not None
        },
    )


def _check_not_retired(metadata: Mapping[str, Any], *, path: Path) -> None:
    """Refuse a reference whose masks came from layers that are no more."""
    lost = [
        f"the {kind.words} {name!r}"
        for kind in LAYER_KINDS
        for name in _RETIRED[kind.name]
        if (metadata[kind.name] or {}).get("name") == name and name not in stamp_registry.names(kind.group)
    ]
    if lost:
        raise StampError(
            f"A reference must make masks by layers that exist, but {path} has {' and '.join(lost)}, retired since; "
            "use another reference, such as the bundled one, or run pretrain and meta-train anew."
        )


def _layer_from(
    kind: LayerKind, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, path: Path
) -> RegisteredLayer:
    made = make_layer(kind, config["name"], config["config"], shape=config["shape"])
    assign_arrays(kind.name, made.layer, arrays, path=path)
    return made
