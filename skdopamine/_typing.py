"""Names of types that the whole package uses."""

from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
