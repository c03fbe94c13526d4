"""Where Nuke lies on this machine, and how it finds AIRoto. Standard library only."""
