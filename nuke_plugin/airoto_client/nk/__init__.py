"""Scripts of Nuke (.nk, .gizmo), read without Nuke and without executing anything.

Standard library only. `script.read_script` gives nodes, knobs, Groups and wiring; `requests` what
the AIRoto nodes among them ask for.
"""
