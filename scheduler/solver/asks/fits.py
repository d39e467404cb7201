"""How many pods of a request nodes hold, one node at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fits_on(free: NDArray[np.int64], request: tuple[int, ...]) -> NDArray[np.int64]:
    """[nodes] pods per node; ``free`` is [nodes x R]. A request of nothing fits without end, over-committed nodes hold
    none."""
    columns = [column for column, amount in enumerate(request) if amount > 0]
    if not columns:
        return np.full(len(free), np.iinfo(np.int32).max, dtype=np.int64)
    fits = free[:, columns[0]] // request[columns[0]]
    for column in columns[1:]:
        fits = np.minimum(fits, free[:, column] // request[column])
    return np.asarray(np.maximum(fits, 0))
