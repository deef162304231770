"""Annotations, TFRecord shards, and the stream of decoded images."""
