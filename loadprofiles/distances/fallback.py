"""The DTW engine where numba is missing: dtaidistance, slower by one to two orders of magnitude."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadprofiles.errors import LoadProfilesError

try:
    from dtaidistance import dtw
except ImportError:
    dtw = None


def fill(
    queries: NDArray[Any],
    columns: NDArray[Any],
    block: tuple[int, int],
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    radius: int,
    out: NDArray[Any],
) -> None:
    """What `lanes.fill` does, with the same arguments.

    Raises:
        LoadProfilesError: dtaidistance is missing too.
    """
    if dtw is None:
        raise LoadProfilesError("DTW needs numba: pip install numba; or, much slower: pip install dtaidistance")
    first, last = block
    series = np.concatenate([queries, columns[first:last]]).astype(np.float64)
    area = ((0, len(queries)), (len(queries), len(series)))
    # Its window counts the diagonal.
    found = dtw.distance_matrix(
        series, window=radius + 1, block=area, compact=True, use_c=dtw.dtw_cc is not None, parallel=False
    )
    distances = np.asarray(found).reshape(len(queries), last - first)
    for q, row in enumerate(distances):
        start = max(first, int(starts[q]))
        if start < last:
            out[offsets[q] + start : offsets[q] + last] = row[start - first :]
