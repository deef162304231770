"""Making the suite's inputs: TFRecords from COCO's layout, an evaluation checkpoint from a training checkpoint."""
