"""Words that many rooms share."""

FLOAT, QUANTIZED = "float", "quantized"
VARIANTS = (FLOAT, QUANTIZED)
# The float network that is quantized: the checkpoint's own, or the one that the card has quantized in its place.
NETWORK = "network"
# A third variant, where one is asked for: what a device does with the integer model.
DEVICE = "device"
# The integer models that are made and run here.
TFLITE, OPENVINO_INT8 = DEVICES = ("tflite", "openvino-int8")
# What brings a red card back, in the order in which it is tried.
SCHEME, CALIBRATION, PER_CHANNEL, SYMMETRIC, EQUALIZATION, BIAS_CORRECTION, ADAROUND, MIXED_PRECISION = REMEDIES = (
    "scheme", "calibration", "per-channel", "symmetric", "equalization", "bias-correction", "adaround",
    "mixed-precision")
# What equalization does where a ReLU6 stands between two layers.
CLIP, KEEP, REPLACE = RELU6_WAYS = ("clip", "keep", "replace")
# Where a repair lies beside its report.
REPAIR_FOLDER = "repair"
REPORT_SCHEMA_VERSION = 7
REPORT_FORMS = ("html", "json", "md")
# How encodings are made.
TF, TF_ENHANCED, PERCENTILE = SCHEMES = ("tf", "tf_enhanced", "percentile")
# Who computes the network.
TENSORFLOW, OPENVINO, AUTO = "tensorflow", "openvino", "auto"
RUNTIMES = (TENSORFLOW, OPENVINO, AUTO)
