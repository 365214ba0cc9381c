"""`calwatch init --from` where files hold boxes: images, detections and truth, each told by its columns or its format."""
