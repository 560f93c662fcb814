"""Ten lines of Python that load an exported network without stamp-tf and ask it about a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stamp_tf.ends import End

_PICTURE = """\
picture = ImageOps.exif_transpose(Image.open("picture.jpg")).convert("{mode}")"""
_PIXELS = """\
small = picture.resize(({width}, {height}), Image.Resampling.BILINEAR)
pixels = np.float32(small).reshape(1, {height}, {width}, {depth})"""
_PRINT = """\
for name, probability in zip(classes, probabilities[0]):
    print(f"{{100 * probability:5.1f}} %  {{name}}")"""

_LINES = {
    "saved-model": (
        "import numpy as np, tensorflow as tf",
        "from PIL import Image, ImageOps",
        "",
        _PICTURE,
        'network = tf.saved_model.load("{path}")',
        'probabilities = network(np.array(picture.convert("RGB")))["probabilities"].numpy()  # it resizes',
        "classes = [name.decode() for name in network.class_names().numpy()]",
        _PRINT,
    ),
    "keras": (
        "import json, zipfile, keras, numpy as np",
        "from PIL import Image, ImageOps",
        "",
        _PICTURE,
        _PIXELS,
        'network = keras.saving.load_model("{path}", compile=False)',
        "output = network.predict(pixels, verbose=0)",
        "probabilities = {probabilities}",
        'classes = json.loads(zipfile.ZipFile("{path}").read("input_and_classes.json"))["class_names"]',
        _PRINT,
    ),
    "onnx": (
        "import json, numpy as np, onnxruntime",
        "from PIL import Image, ImageOps",
        "",
        _PICTURE,
        _PIXELS,
        'network = onnxruntime.InferenceSession("{path}")',
        "(probabilities,) = network.run(None, {{network.get_inputs()[0].name: pixels}})",
        'classes = json.loads(network.get_modelmeta().custom_metadata_map["contract"])["classes"]',
        _PRINT,
    ),
    **dict.fromkeys(
        ("litert", "litert-dynamic", "litert-int8"),
        (
            "import zipfile, numpy as np",
            "from ai_edge_litert.interpreter import Interpreter",
            "from PIL import Image, ImageOps",
            "",
            _PICTURE,
            _PIXELS,
            'network = Interpreter("{path}").get_signature_runner()',
            'probabilities = network(image=pixels{as_uint8})["probabilities"]',
            'classes = zipfile.ZipFile("{path}").read("labels.txt").decode().splitlines()',
            _PRINT,
        ),
    ),
    "openvino": (
        "import json, pathlib, numpy as np, openvino",
        "from PIL import Image, ImageOps",
        "",
        _PICTURE,
        _PIXELS,
        'network = openvino.Core().compile_model("{path}/network.xml", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})',
        'probabilities = network(pixels)["probabilities"]',
        'classes = json.loads(pathlib.Path("{path}/class_names.json").read_text("utf-8"))',
        _PRINT,
    ),
}


def snippet(calling: Mapping[str, Any], *, format_name: str, path: str) -> str:
    """Return code that prints the probability of every class of `picture.jpg`; empty for a format that has none.

    Args:
        calling: How the network is called, see `stamp_tf.export.calling.Calling.to_json`.
        format_name: Of the file, as its exporter is called.
        path: Of the file.
    """
    height, width = calling["input"]["size"]
    depth = calling["input"]["shape"][-1]
    return "\n".join(_LINES.get(format_name, ())).format(
        path=path,
        height=height,
        width=width,
        depth=depth,
        as_uint8=".astype(np.uint8)" if format_name == "litert-int8" else "",
        mode="L" if depth == 1 else "RGB",
        probabilities=_probabilities(End.from_config(calling.get("end"))),
    )


def _probabilities(end: End) -> str:
    """Return what makes probabilities of the output of a Keras network."""
    if end.is_binary:
        of_second = {
            "linear": "1 / (1 + np.exp(-output))",
            "sigmoid": "output",
            "log_sigmoid": "np.exp(output)",
        }[end.activation]
        return f"np.concatenate([1 - {of_second}, {of_second}], axis=1)"
    return {
        "linear": "np.array(keras.ops.softmax(output))",
        "softmax": "output",
        "log_softmax": "np.exp(output)",
        "sigmoid": "output",
        "log_sigmoid": "np.exp(output)",
    }[end.activation]
