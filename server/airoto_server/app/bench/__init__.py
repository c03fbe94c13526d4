"""`airoto bench`: engines against ground truth, as trackers and matters are measured."""
