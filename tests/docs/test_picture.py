"""The README's picture is what the script draws from the committed measurement."""

import json
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "text_classification"
MEASUREMENTS = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda path: path.stem)
def test_the_committed_picture_is_drawn_from_the_committed_measurement(measurement: Path) -> None:
    draw = runpy.run_path(str(FOLDER / "draw.py"))["draw"]
    assert measurement.with_suffix(".svg").read_bytes() == draw(json.loads(measurement.read_text())).encode()


def test_the_readme_shows_a_picture_of_this_folder() -> None:
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    pictures = [f"(benchmarks/text_classification/{path.stem}.svg)" for path in MEASUREMENTS]
    assert any(picture in readme for picture in pictures)
