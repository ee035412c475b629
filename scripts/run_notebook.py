"""The example notebook: run from its first cell to its last, and written with what it shows.

`python scripts/run_notebook.py` writes it anew; a test runs it and compares the text that it shows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "examples" / "from-csv-to-figure.ipynb"
SECONDS = 600


def run(path: Path, folder: Path) -> Any:
    """The notebook with the outputs of a run in a folder of its own.

    Raises
    ------
    CellExecutionError
        A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
        if cell["cell_type"] == "code":
            # What is compiled, and for how long, is of no reader's interest.
            cell["outputs"] = [each for each in cell["outputs"] if each.get("name") != "stderr"]
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return notebook


def text_of(notebook: Any) -> list[str]:
    """All text that the cells show, in order; figures are left out."""
    return [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell["cell_type"] == "code"
        for output in cell["outputs"]
    ]


def main() -> None:
    """Run it and write it."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(NOTEBOOK, Path(folder))
    nbformat.write(notebook, NOTEBOOK)
    sys.stdout.write(f"{NOTEBOOK}\n")


if __name__ == "__main__":
    main()
