"""AIRoto's installer. Standard library only; runs on Python 3.9 and newer."""
