"""What pyarrow needs to hand out Criteo's 26 categorical columns as text: python pyarrow_worker.py FILE ROWS."""

import io
import itertools
import sys

import pyarrow as pa
from pyarrow import csv

COLUMNS = 40
CATEGORIES = [f"C{number}" for number in range(1, 27)]


def main(path: str, rows: str) -> None:
    """Read so many rows."""
    names = ["label", *(f"I{number}" for number in range(1, COLUMNS - len(CATEGORIES))), *CATEGORIES]
    with open(path, "rb") as stream:  # noqa: PTH123
        text = io.BytesIO(b"".join(itertools.islice(stream, int(rows))))
    csv.read_csv(
        text,
        read_options=csv.ReadOptions(column_names=names),
        parse_options=csv.ParseOptions(delimiter="\t"),
        convert_options=csv.ConvertOptions(
            include_columns=CATEGORIES, column_types=dict.fromkeys(CATEGORIES, pa.string())
        ),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
