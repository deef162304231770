"""The kinds of input that are damaged; known without TensorFlow."""

KINDS = ("tfrecords", "annotations", "images", "card", "encodings", "encodings-lists", "encodings-grids",
         "configuration", "meta", "index", "snapshot", "baseline", "history", "report", "results", "detections")
