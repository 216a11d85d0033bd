"""A save of an int8 model that is killed leaves the old model or the new one, whole. `make torture` kills 200."""

from functools import partial

import pytest
from helpers.killed_at import killed_at
from helpers.killed_saves import Saves, killed_after, steps_of_a_save

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saves(tmp_path_factory: pytest.TempPathFactory) -> Saves:
    return Saves(tmp_path_factory.mktemp("saves"))


@pytest.mark.parametrize(("old", "new"), [("5GB", "20KB"), ("20KB", "5GB")], ids=["into-shards", "into-one-file"])
def test_killed_at_a_step_it_is_the_old_model_or_the_new_one(saves: Saves, old: str, new: str) -> None:
    steps = steps_of_a_save(saves, old, new)
    found = [saves.survives(partial(killed_at, round(share * steps)), old, new) for share in (0.2, 0.6, 0.8, 0.9, 1)]
    assert found == sorted(found)
    assert {found[0], found[-1]} == {0, 1}


def test_killed_at_a_time_it_is_one_of_them(saves: Saves) -> None:
    assert saves.survives(partial(killed_after, 0.05), "5GB", "5GB") in (0, 1, 2)
