"""Results kept on disk by content, in a folder that several servers may share."""
