"""How the creature and the camera move, as functions of time in seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass

FRAME_RATE = 24.0
SHUTTER = 0.5  # of the frame's time: a 180 degree shutter
HOP_PERIOD = 1.0
# Time of the first frame within the hop, so that the shot begins with the crouch near.
HOP_START = 0.10
TRAVEL = 0.17
LIFT = 0.075


def smooth(low: float, high: float, x: float) -> float:
    """0 below `low`, 1 above `high`, with a smooth way between."""
    u = min(max((x - low) / (high - low), 0.0), 1.0)
    return u * u * (3.0 - 2.0 * u)


def bump(x: float, centre: float, width: float) -> float:
    """A bell of height 1."""
    return math.exp(-(((x - centre) / width) ** 2))


@dataclass(frozen=True)
class Pose:
    """Where the creature is at one instant; lengths in units of the frame's height.

    Attributes:
        x: of the body, in the world.
        lift: of the feet above the ground.
        stretch: of the body along its height; its volume is kept.
        yaw: of the body about the vertical, radians, positive to the right.
        roll: of the body in the picture plane, radians, positive leans right.
        head_yaw: of the head against the body.
        head_nod: positive looks down.
        head_roll: tilt of the head.
        flap: of the wings, 0 folded, 1 spread.
    """

    x: float
    lift: float
    stretch: float
    yaw: float
    roll: float
    head_yaw: float
    head_nod: float
    head_roll: float
    flap: float


def pose(seconds: float) -> Pose:
    """The creature at a time: it hops right, looks about, hops left, and so on."""
    clock = seconds / HOP_PERIOD + HOP_START
    hop, phase = divmod(clock, 1.0)
    side = 1.0 if int(hop) % 2 == 0 else -1.0
    gone = smooth(0.36, 0.72, phase)
    flight = min(max((phase - 0.34) / 0.38, 0.0), 1.0)
    lift = LIFT * 4.0 * flight * (1.0 - flight)
    x = side * TRAVEL * (gone - 0.5)
    crouch = bump(phase, 0.27, 0.08) + 0.9 * bump(phase, 0.77, 0.06)
    reach = bump(phase, 0.42, 0.08) + 0.35 * bump(phase, 0.9, 0.06)
    stretch = 1.0 - 0.13 * crouch + 0.09 * reach + 0.008 * math.sin(9.0 * seconds)
    turn = smooth(0.09, 0.38, phase)  # turns towards where it is going to hop
    yaw = 0.42 * side * (2.0 * turn - 1.0)
    roll = side * (0.10 * bump(phase, 0.45, 0.1) - 0.10 * bump(phase, 0.70, 0.08))
    beat = smooth(0.33, 0.40, phase) * (1.0 - smooth(0.70, 0.82, phase))
    flap = beat * (0.55 - 0.45 * math.cos(2.0 * math.pi * 6.0 * (phase - 0.34)))
    return Pose(
        x=x,
        lift=lift,
        stretch=stretch,
        yaw=yaw,
        roll=roll,
        head_yaw=0.30 * side * (2.0 * smooth(0.09, 0.38, phase) - 1.0)
        + 0.12 * math.sin(2.3 * seconds),
        head_nod=0.16 * bump(phase, 0.28, 0.1) - 0.14 * bump(phase, 0.52, 0.12),
        head_roll=0.13 * math.sin(2.6 * seconds + 0.4),
        flap=flap,
    )


def camera(seconds: float) -> tuple[float, float]:
    """Where the camera looks, in units of the frame's height: a slow pan, held by hand."""
    pan = 0.16 * math.sin(2.0 * math.pi * seconds / 7.0)
    shake_x = 0.0022 * math.sin(7.1 * seconds) + 0.0013 * math.sin(15.7 * seconds + 1.0)
    shake_y = 0.0022 * math.sin(6.2 * seconds + 2.0) + 0.0013 * math.sin(13.9 * seconds)
    return pan + shake_x, shake_y


def drag(seconds: float, lag: float = 0.05) -> tuple[float, float]:
    """How hair trails behind the body: minus its late velocity, in units per second."""
    late, step = seconds - lag, 0.02
    before, after = pose(late - step), pose(late + step)
    return (
        -(after.x - before.x) / (2 * step),
        -(after.lift + 0.2 * after.stretch - before.lift - 0.2 * before.stretch) / (2 * step),
    )
