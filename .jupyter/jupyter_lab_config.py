"""`jupyter lab` opens the first notebook, if it starts in the course's folder.

This file is read at every start of JupyterLab in the environment, so it must ask where it is.
"""

from pathlib import Path

FIRST_NOTEBOOK = "01_data/01_tokenization.ipynb"

c = get_config()  # noqa: F821  (Jupyter hands it to its configuration files)
if Path(FIRST_NOTEBOOK).is_file():
    c.LabApp.default_url = f"/lab/tree/{FIRST_NOTEBOOK}"
