"""A search that is killed at any batch of any evaluation goes on without repeating a finished trial.

`make torture` kills 100 of them.
"""

from pathlib import Path

import pytest
from helpers.killed_searches import Searches

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Searches:
    return Searches(tmp_path_factory.mktemp("whole"))


def test_the_search_has_everything_that_may_be_lost(searches: Searches) -> None:
    result = searches.result
    assert {trial.state for trial in result.trials} == {"complete", "pruned"}
    assert {trial.recipe.float_dtype for trial in result.trials} == {"float32", "bfloat16"}
    assert result.outcome == "met"


@pytest.mark.parametrize("share", [0.1, 0.45, 0.62, 0.75, 0.8, 0.97])
def test_nothing_finished_is_repeated(tmp_path: Path, searches: Searches, share: float) -> None:
    searches.killed_at_batch(tmp_path, round(share * searches.batches))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_killed_between_batches_it_finds_the_same(tmp_path: Path, searches: Searches, share: float) -> None:
    searches.killed_at_time(tmp_path, share * searches.seconds)
