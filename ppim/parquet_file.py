"""Open Parquet files of others: what cannot be opened, or says what cannot be told, is refused in one line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ppim.errors import InputError
from ppim.files import for_arrow


def open_parquet(path: Path, refusal: str, *, pre_buffer: bool = True) -> pq.ParquetFile:
    """A Parquet file whose footer is whole and whose names are UTF-8.

    Parameters
    ----------
    path : Path
        A file that can be read from its end.
    refusal : str
        What is wrong, and the mend, if it cannot be opened.
    pre_buffer : bool
        Whether whole parts of columns are read ahead.

    Raises
    ------
    InputError
        It is no Parquet file, or is damaged.
    """
    try:
        file = pq.ParquetFile(for_arrow(path), pre_buffer=pre_buffer)
        # pyarrow decodes a column's name at opening, but that of a group without columns where it is asked for.
        _ = file.schema_arrow.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {refusal}") from error
    return file
