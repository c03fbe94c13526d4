"""The double's `nukescripts`."""

from nukescripts import utils as utils
