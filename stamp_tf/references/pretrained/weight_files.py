"""Which file holds the ImageNet weights of each network of keras.applications, and where Keras keeps it.

Keras names the files within the functions that fetch them, so the names stand here once more; a test compares them with
what Keras asks for.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_KERNELS = "_weights_tf_dim_ordering_tf_kernels"
# Of these sizes there are weights of their own; squares of any other size take those for 224 pixels.
_USUAL_SIZE = 224
_SIZES = {"MobileNet": (128, 160, 192, 224), "MobileNetV2": (96, 128, 160, 192, 224)}

_FILES = {
    **{
        f"ConvNeXt{size}": f"convnext_{size.lower()}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")
    },
    **{f"DenseNet{depth}": f"densenet{depth}{_KERNELS}" for depth in (121, 169, 201)},
    **{f"EfficientNetB{number}": f"efficientnetb{number}" for number in range(8)},
    **{
        f"EfficientNetV2{size}": f"efficientnetv2-{size.lower()}" for size in ("B0", "B1", "B2", "B3", *"SML")
    },
    "InceptionResNetV2": f"inception_resnet_v2{_KERNELS}",
    "InceptionV3": f"inception_v3{_KERNELS}",
    "MobileNet": "mobilenet_1_0_{size}_tf",
    "MobileNetV2": f"mobilenet_v2{_KERNELS}_1.0_{{size}}",
    "MobileNetV3Large": "weights_mobilenet_v3_large_224_1.0_float",
    "MobileNetV3Small": "weights_mobilenet_v3_small_224_1.0_float",
    "NASNetLarge": "nasnet_large",
    "NASNetMobile": "nasnet_mobile",
    **{
        f"ResNet{depth}{v}": f"resnet{depth}{v.lower()}{_KERNELS}"
        for depth in (50, 101, 152)
        for v in ("", "V2")
    },
    "VGG16": f"vgg16{_KERNELS}",
    "VGG19": f"vgg19{_KERNELS}",
    "Xception": f"xception{_KERNELS}",
}

NAMES = tuple(_FILES)
"""The image classifiers of keras.applications."""


def weight_file(name: str, image_shape: tuple[int, int, int] | None = None) -> Path:
    """Return where Keras keeps the ImageNet weights of a network, head included, whether they are there or not.

    Args:
        name: One of `NAMES`.
        image_shape: Height, width and depth of its images; None for those that it was trained on.
    """
    return _cache() / "models" / f"{_FILES[name].format(size=trained_size(name, image_shape))}.h5"


def trained_size(name: str, image_shape: tuple[int, int, int] | None) -> int | None:
    """Return the size that the weights for some images were trained on; None where all sizes share one file.

    Args:
        name: One of `NAMES`.
        image_shape: Height, width and depth; None for the usual ones.
    """
    if name not in _SIZES:
        return None
    height, width = (image_shape or (_USUAL_SIZE, _USUAL_SIZE))[:2]
    return height if height == width and height in _SIZES[name] else _USUAL_SIZE


def _cache() -> Path:
    """Return the folder that Keras caches in, by the rules of `keras.utils.get_file`."""
    named = os.environ.get("KERAS_HOME")
    home = Path(os.path.expanduser(named if named else os.path.join("~", ".keras")))
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    # A folder that cannot be written to may hold weights all the same.
    if os.access(nearest, os.W_OK) or (home / "models").is_dir():
        return home
    return Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir()) / ".keras"
