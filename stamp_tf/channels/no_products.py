"""What neither convolves nor multiplies matrices: single numbers, sums, normalisations, poolings, moves.

By convention it has no FLOPs. A layer or function that stands neither here nor among those that are counted is named
as uncounted, so that nothing new goes unnoticed. Interpolation is not here: it multiplies and adds, and is named.
"""

from typing import Any

import keras
from keras import activations, layers

from stamp_tf.channels.graph import is_keras_operation

ELEMENTWISE_LAYERS: tuple[type, ...] = (
    *(layers.Activation, layers.ELU, layers.LeakyReLU, layers.PReLU, layers.ReLU, layers.Softmax),
    *(layers.Identity, layers.Masking, layers.ActivityRegularization, layers.Embedding),
    *(layers.Add, layers.Average, layers.Concatenate, layers.Maximum, layers.Minimum),
    *(layers.Multiply, layers.Subtract),
    *(layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization),
    *(layers.RMSNormalization, layers.UnitNormalization, layers.Normalization, layers.Rescaling),
    *(layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D),
    *(layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D),
    *(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D),
    *(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D),
    *(layers.AdaptiveAveragePooling1D, layers.AdaptiveAveragePooling2D, layers.AdaptiveAveragePooling3D),
    *(layers.AdaptiveMaxPooling1D, layers.AdaptiveMaxPooling2D, layers.AdaptiveMaxPooling3D),
    *(layers.AlphaDropout, layers.Dropout, layers.GaussianDropout, layers.GaussianNoise),
    *(layers.SpatialDropout1D, layers.SpatialDropout2D, layers.SpatialDropout3D),
    *(layers.Cropping1D, layers.Cropping2D, layers.Cropping3D),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D),
    *(layers.Flatten, layers.Permute, layers.RepeatVector, layers.Reshape, layers.UpSampling1D),
    *(layers.UpSampling2D, layers.UpSampling3D),
    *(layers.CategoryEncoding, layers.Discretization, layers.HashedCrossing, layers.Hashing),
    *(layers.IntegerLookup, layers.StringLookup, layers.TextVectorization, layers.MaxNumBoundingBoxes),
    *(layers.AutoContrast, layers.Equalization, layers.Solarization),
    # In training alone; an image that is classified passes as it is.
    *(layers.AugMix, layers.CutMix, layers.MixUp, layers.RandAugment, layers.RandomBrightness),
    *(layers.RandomColorDegeneration, layers.RandomColorJitter, layers.RandomContrast),
    *(layers.RandomElasticTransform, layers.RandomErasing, layers.RandomFlip, layers.RandomGaussianBlur),
    *(layers.RandomGrayscale, layers.RandomHue, layers.RandomInvert, layers.RandomPerspective),
    *(layers.RandomPosterization, layers.RandomRotation, layers.RandomSaturation, layers.RandomSharpness),
    *(layers.RandomShear, layers.RandomTranslation, layers.RandomZoom),
)
# Layers of networks in `keras.applications` that are not exported.
_LAYERS_BY_NAME = (
    "keras.src.applications.convnext.LayerScale",
    "keras.src.applications.convnext.StochasticDepth",
)
_NAMES = """
    Slice SliceUpdate Scatter ScatterUpdate StopGradient Unstack Cast SaturateCast ConvertToTensor Rearrange
    RGBToGrayscale RGBToHSV HSVToRGB ExtractPatches PadImages CropImages SegmentReduction SegmentSum SegmentMax
    SegmentMin SegmentProd TopK InTopK Logsumexp ExtractSequences Rsqrt Erf Erfc Erfinv ViewAsComplex ViewAsReal
    Norm Relu Relu6 Sigmoid SparseSigmoid Softplus Softsign SoftShrink SparsePlus Silu Squareplus LogSigmoid
    LeakyRelu HardSigmoid HardSilu Elu Selu Gelu Celu Glu TanhShrink HardTanh HardShrink Threshold Softmax
    LogSoftmax Sparsemax MaxPool AdaptiveMaxPool AveragePool AdaptiveAveragePool OneHot MultiHot
    BinaryCrossentropy CategoricalCrossentropy SparseCategoricalCrossentropy Moments BatchNorm Normalize PSNR
    RMSNorm LayerNorm Polar Unfold Fold DepthToSpace SpaceToDepth Rot90 Absolute Abs Fabs Add All AllClose Angle
    Any Amax Amin Append Arange Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Argmax Argmin Argpartition
    Argsort Array ArraySplit View Average Heaviside Bincount BitwiseAnd BitwiseInvert BitwiseNot BitwiseOr
    BitwiseXor BitwiseLeftShift LeftShift BitwiseRightShift RightShift BroadcastTo Cbrt Ceil Clip Concatenate
    Conjugate Conj Copy Cos Cosh CountNonzero Cross Cumprod Cumsum Deg2rad Rad2deg Diag Diagflat Diagonal Diff
    Digitize Divide DivideNoNan Dsplit Dstack EmptyLike Equal Exp Exp2 ExpandDims Expm1 Flip Fliplr Flipud Floor
    FloorDivide Fmax Fmin Fmod Full FullLike Gcd Geomspace GetItem Greater GreaterEqual Histogram Hsplit Hstack
    Hypot Imag I0 Isclose Isfinite IsIn Isinf Isnan Isneginf Isposinf Isreal Kron Lcm Ldexp Less LessEqual
    Linspace Log Log10 Log1p Log2 Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr LogicalXor Logspace Max
    Maximum Mean Median Meshgrid Min Minimum Mod Moveaxis Multiply NanToNum Nanargmax Nanargmin Nancumprod
    Nancumsum Nanmax Nanmean Nanmedian Nanmin Nanpercentile Nanprod Nanquantile Nanstd Nansum Nanvar Ndim Negative
    Nextafter Nonzero NotEqual OnesLike Outer Pad Percentile Power Prod Ptp Quantile Ravel Real Reciprocal Repeat
    Reshape Roll Round SearchSorted Select Sign Signbit Sin Sinc Sinh Size Sort Split Sqrt Square Squeeze Stack
    Std Subtract Sum Swapaxes Take TakeAlongAxis Tan Tanh Tile Trace Transpose Trapezoid Tril Triu TrueDivide
    Trunc Unique UnravelIndex Vander Var Vsplit Vstack Where ZerosLike
"""
ELEMENTWISE_OPERATIONS = frozenset(_NAMES.split())


def makes_no_products(operation: Any) -> bool:
    """Return whether a layer or operation neither convolves nor multiplies matrices.

    Args:
        operation: The layer or operation.
    """
    kind: Any = type(operation)
    if not isinstance(operation, keras.Layer):
        return is_keras_operation(operation) and kind.__name__ in ELEMENTWISE_OPERATIONS
    if kind in (layers.UpSampling2D, layers.UpSampling3D):
        return getattr(operation, "interpolation", "nearest") == "nearest"
    if kind is layers.Activation:
        return is_elementwise(operation.activation)
    if kind is layers.Pipeline:
        return all(makes_no_products(layer) for layer in operation.layers)
    if f"{kind.__module__}.{kind.__qualname__}" in _LAYERS_BY_NAME:
        return True
    # A subclass may compute anything in a `call` of its own.
    base: Any = next((base for base in kind.__mro__ if base in ELEMENTWISE_LAYERS), None)
    return base is not None and kind.call is base.call


def is_elementwise(activation: Any) -> bool:
    """Return whether an activation is one of Keras's functions or layers; any other may compute anything.

    Args:
        activation: A function or layer.
    """
    if isinstance(activation, keras.Layer):
        return makes_no_products(activation)
    return getattr(activations, getattr(activation, "__name__", ""), None) is activation
