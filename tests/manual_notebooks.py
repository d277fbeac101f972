"""Run the notebooks of the manual in a folder of their own, as a reader does; with --write, keep what they show.

python tests/manual_notebooks.py [--write]
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"


def main() -> None:
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with TemporaryDirectory() as folder:
            client = NotebookClient(
                notebook, timeout=300, resources={"metadata": {"path": folder}}, record_timing=False
            )
            client.execute()
        faults = [
            output.text
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if output.get("name") == "stderr"
        ]
        if faults:
            sys.exit(f"{path.name} prints to standard error:\n{''.join(faults)}")
        if "--write" in sys.argv:
            nbformat.write(notebook, path)
        print(f"{path.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells ran")


if __name__ == "__main__":
    main()
