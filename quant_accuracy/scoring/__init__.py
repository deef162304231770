"""From detections and ground truth to COCO's figures, how sure they are, and where AP is lost."""
