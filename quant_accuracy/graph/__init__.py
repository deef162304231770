"""Passes over TensorFlow graphs: each takes a GraphDef and gives a new one."""
