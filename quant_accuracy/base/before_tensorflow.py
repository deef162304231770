"""What has to be set before TensorFlow is imported: every room that imports it calls this from its `__init__`.

A process that has this package installed and evaluates nothing keeps its TensorFlow as it is. Collecting a test that
asks for one of our fixtures imports such a room, so that nobody's test opens a session before.
"""

import logging
import os
import sys
import warnings

from quant_accuracy.base import quiet_import


def set_up() -> None:
    """Give each session its own threads, and keep TensorFlow's notes about itself and its future off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow's threads belong to the process, as many as its first session asked for, whatever later sessions ask.
    # With this each session has its own, so that the sums of ours do not depend on who opened a session before.
    os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "1")
    # TensorFlow 2 runs the network about 1.6 times as fast with oneDNN as without. Its sums depend on the threads of an
    # op, of which ours has one. Said here, so that figures do not change where TensorFlow's default does.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if sys.version_info >= (3, 8):
        quiet_import.install()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="numpy.ufunc size changed", category=RuntimeWarning)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"tensor(flow|board)\.")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"(tensorflow|object_detection|nets)\.")
