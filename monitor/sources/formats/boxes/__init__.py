"""Formats that are of boxes alone: COCO, YOLO and Pascal VOC."""
