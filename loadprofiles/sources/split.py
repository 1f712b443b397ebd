"""Tables of many meters into files of few: so that memory is bounded by meters in flight, not by the archive."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

_BUCKET_BYTES = 64 * 1024 * 1024
"""Raw bytes that one file of the split should hold: some hundred megabytes once they are a table."""

_MOST_BUCKETS = 256


def buckets_for(size_bytes: int) -> int:
    """How many files to split a source of `size_bytes` into."""
    return min(_MOST_BUCKETS, max(1, -(-size_bytes // _BUCKET_BYTES)))


def split_by_meter(tables: Iterable[pd.DataFrame], folder: Path, buckets: int, key: str = "id") -> list[Path]:
    """Distribute rows over Parquet files, all rows of one meter in one file, in the order they came.

    Args:
        tables: The rows, batch by batch; all with the columns and types of the first.
        folder: Where to write; it is made if need be.
        buckets: How many files at most.
        key: The column that names the meter, text without missing values.

    Returns:
        The files that got rows. The same meter goes to the same file in every run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    writers: dict[int, pq.ParquetWriter] = {}
    paths = {bucket: folder / f"{bucket:04d}.parquet" for bucket in range(buckets)}
    schema = None
    with ExitStack() as open_files:
        for table in tables:
            schema = schema or pa.Schema.from_pandas(table, preserve_index=False)
            bucket_of = pd.util.hash_array(table[key].to_numpy(dtype=object)) % np.uint64(buckets)
            for number in np.unique(bucket_of).tolist():
                if number not in writers:
                    writers[number] = open_files.enter_context(pq.ParquetWriter(paths[number], schema))
                part = pa.Table.from_pandas(table[bucket_of == number], schema=schema, preserve_index=False)
                writers[number].write_table(part)
    return [paths[number] for number in sorted(writers)]
