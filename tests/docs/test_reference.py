"""docs/reference/ is what the code says."""

import generate_reference
import pytest

from nc_trainer.config import TuningConfig


@pytest.mark.parametrize("name", generate_reference.PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    path = generate_reference.FOLDER / name
    assert path.read_text(encoding="utf-8") == generate_reference.PAGES[name](), "run: make docs"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in generate_reference.FOLDER.iterdir()} == set(generate_reference.PAGES)


def test_every_key_of_the_configuration_is_in_the_tables() -> None:
    page = generate_reference.settings_page()
    assert all(f"| `{key}` |" in page for key in _leaves(TuningConfig().to_dict()))


def test_a_field_without_a_description_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from nc_trainer.config.recipe import FusedActivation

    monkeypatch.setattr(FusedActivation, "__doc__", "Nothing.\n\nAttributes:\n    module: a name.\n")
    with pytest.raises(ValueError, match="`function` has no description"):
        generate_reference.objects_page()


def _leaves(content: dict[str, object]) -> list[str]:
    found: list[str] = []
    for key, value in content.items():
        found += _leaves(value) if isinstance(value, dict) else [key]
    return found
