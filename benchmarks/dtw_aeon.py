"""The side of aeon in `benchmarks.dtw peers`, in a process and an environment of its own.

aeon needs an older numba than loadprofiles, so nothing of loadprofiles is imported here. It reads requests from
standard input, one JSON object a line, and answers each with one:

- `{"profiles": file.npy, "window": fraction, "out": file.npy}`: compute all distances, which also compiles what is
  needed, and write them (condensed, square root taken) to `out`;
- `{}`: time the same again.
"""

import json
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np
from aeon.distances import dtw_pairwise_distance

from benchmarks.dtw_timing import timed


def main(threads: int) -> None:
    """Answer requests until there are no more."""
    arguments: dict[str, Any] = {}

    def compute() -> Any:
        return dtw_pairwise_distance(n_jobs=threads, **arguments)

    for line in sys.stdin:
        request = json.loads(line)
        if request:
            profiles = np.load(request["profiles"])
            arguments = {"X": profiles[:, None, :], "window": request["window"]}
            squared = compute()
            np.save(Path(request["out"]), np.sqrt(squared[np.triu_indices(len(squared), 1)]))
            words = f"aeon {version('aeon')}, numba {numba.__version__}, {numba.threading_layer()} threads"
            answer: dict[str, Any] = {"words": words}
        else:
            answer = asdict(timed(compute))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
