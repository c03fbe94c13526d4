"""Mattes on a render farm: a recipe as steps of tasks, for any manager."""
