"""A matrix that grows with what is seen."""

from __future__ import annotations

import numpy as np

from scheduler.model.resources import CPU, GPU, MEMORY, PODS, Matrix, Resources


class Columns:
    """A growing integer matrix: one row per slot, one column per resource, both added on demand."""

    def __init__(self) -> None:
        self.names: list[str] = [CPU, MEMORY, PODS, GPU]
        self._index = {name: column for column, name in enumerate(self.names)}
        self._rows: dict[Resources, Matrix] = {}
        self.version = 0

    def row(self, amounts: Resources) -> Matrix:
        """Amounts as a row over all columns known so far; unknown resources become columns."""
        row = self._rows.get(amounts)
        if row is None:
            for name, _ in amounts:
                if name not in self._index:
                    self._index[name] = len(self.names)
                    self.names.append(name)
                    self._rows.clear()
                    self.version += 1
            row = np.zeros(len(self.names), dtype=np.int64)
            for name, value in amounts:
                row[self._index[name]] = value
            self._rows[amounts] = row
        return row

    def widened(self, matrix: Matrix) -> Matrix:
        """The matrix with zero columns for resources that came to be known since it was made."""
        missing = len(self.names) - matrix.shape[-1]
        if not missing:
            return matrix
        return np.pad(matrix, [(0, 0)] * (matrix.ndim - 1) + [(0, missing)])
