"""Whatever Keras offers is counted, known to make no products, or named as uncounted: nothing new goes unnoticed."""

import importlib
import inspect
import pkgutil

import keras
import keras.src.ops
from keras import layers

from stamp_tf.channels.count_work import WRAPPER_RULES
from stamp_tf.channels.no_products import ELEMENTWISE_LAYERS, ELEMENTWISE_OPERATIONS
from stamp_tf.channels.work_layers import LAYER_RULES
from stamp_tf.channels.work_operations import OPERATION_RULES

NAMED_LAYERS = """
    CenterCrop ContrastLimitedAdaptiveHistogramEqualization RandomCrop Resizing
    MelSpectrogram STFTSpectrogram
    FlaxLayer JaxLayer Lambda TFSMLayer TorchModuleWrapper Layer Wrapper
    GRUCell LSTMCell SimpleRNNCell StackedRNNCells
"""
# It is as good as what is in it; and what is no call.
OTHERS = {"Pipeline", "InputLayer"}
NAMED_OPERATIONS = """
    Map Scan AssociativeScan Switch WhileLoop ForiLoop Cond VectorizedMap Function Operation
    Resize AffineTransform MapCoordinates PerspectiveTransform GaussianBlur ElasticTransform ScaleAndTranslate
    SobelEdges SSIM
    Cholesky CholeskyInverse Det Eig Eigh Inv LuFactor Qr Solve SolveTriangular SVD Lstsq MatrixRank Pinv JVP
    Logdet Slogdet CDist FFT FFT2 IFFT2 RFFT IRFFT STFT ISTFT
    CTCLoss CTCDecode Corrcoef Correlate
"""


def test_every_layer_of_keras_is_counted_free_or_named() -> None:
    public = {
        kind.__name__
        for kind in vars(layers).values()
        if inspect.isclass(kind) and issubclass(kind, keras.Layer)
    }
    counted = {kind.__name__ for kind in {**LAYER_RULES, **WRAPPER_RULES}}
    free = {kind.__name__ for kind in ELEMENTWISE_LAYERS}
    named = set(NAMED_LAYERS.split())
    assert not counted & free
    assert not named & (counted | free)
    assert public == counted | free | named | OTHERS


def test_every_function_of_keras_is_counted_free_or_named() -> None:
    public = set()
    for module in pkgutil.iter_modules(keras.src.ops.__path__):
        if not module.name.endswith("_test"):
            found = vars(importlib.import_module(f"keras.src.ops.{module.name}"))
            public |= {
                name
                for name, kind in found.items()
                if inspect.isclass(kind)
                and issubclass(kind, keras.Operation)
                and kind.__module__.startswith("keras.src.ops.")
            }
    counted, free, named = set(OPERATION_RULES), set(ELEMENTWISE_OPERATIONS), set(NAMED_OPERATIONS.split())
    assert not counted & free
    assert not named & (counted | free)
    assert public == counted | free | named
