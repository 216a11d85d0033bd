"""The notebook runs from top to bottom, without a network, and is committed without what it printed."""

from typing import Any

import pytest
from helpers.markdown_blocks import ROOT
from repository_pages import links_of

pytestmark = pytest.mark.slow

nbclient = pytest.importorskip("nbclient", reason="running notebooks needs `pip install .[docs]`")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

NOTEBOOK = ROOT / "examples" / "notebooks" / "quantize_a_classifier.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        resources = {"metadata": {"path": str(folder)}}
        return nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()


def printed(notebook: Any) -> str:
    return "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))


def test_it_quantizes_and_loads_the_same_model_again(executed: Any) -> None:
    text = printed(executed)
    assert "Outcome:" in text
    assert "int8 against fp32:" in text
    assert "the same logits: True" in text


def test_it_is_committed_without_outputs() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert [cell for cell in cells if cell.outputs or cell.execution_count] == []


def test_its_links_lead_somewhere() -> None:
    texts = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "markdown"]
    links = [link for text in texts for link in links_of(text)]
    assert links
    assert [link for link in links if not (NOTEBOOK.parent / link).is_file()] == []
