"""From images to detections: run a graph, suppress overlaps, keep one file per shard, merge."""
