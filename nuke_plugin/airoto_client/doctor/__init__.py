"""`airoto doctor`: whether this installation works, and what to do where it does not."""
