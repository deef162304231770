"""Tests of the engine and of the suite itself."""

import os

# Networks of the tests are built by the Keras of TensorFlow 1: TensorFlow 2 has it as the package tf_keras.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
