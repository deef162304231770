"""Where shards run: this process, several processes, or a Ray cluster; all of them give the same detections."""
