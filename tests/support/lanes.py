"""What one lane has and the other has not."""

import pytest
import tensorflow.compat.v1 as tf

TENSORFLOW_1 = tf.__version__.startswith("1.")
needs_object_detection = pytest.mark.skipif(
    not TENSORFLOW_1, reason=f"needs the Object Detection API, which knows TensorFlow 1.15 alone (this is "
                             f"{tf.__version__})")
