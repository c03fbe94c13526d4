"""Models behind four roles; one file each."""
