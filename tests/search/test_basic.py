"""The default strategy against planted problems: a known set of modules that must stay in float."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_trainer import Precision, Recipe
from nc_trainer.search import CompleteTrial, SearchSpace, make_strategy
from nc_trainer.search.strategies.base import answered
from nc_trainer.search.strategies.basic import Basic


def search(ranking: Sequence[str], accepts: Callable[[Recipe], bool]) -> list[tuple[Recipe, bool]]:
    """Every recipe that the strategy proposes, and whether it was accepted."""
    recipe = Recipe(dict.fromkeys(sorted(ranking), Precision.INT8_DYNAMIC))
    proposals = Basic().proposals(SearchSpace(recipe, lambda: list(ranking)))
    seen = []
    proposed = next(proposals, None)
    while proposed is not None:
        accepted = accepts(proposed)
        seen.append((proposed, accepted))
        try:
            proposed = proposals.send(CompleteTrial(len(seen), proposed, 1.0, accepted, 0.0))
        except StopIteration:
            break
    return seen


def needs(*sensitive: str) -> Callable[[Recipe], bool]:
    return lambda recipe: set(sensitive) <= set(recipe.fallbacks)


def names(count: int) -> list[str]:
    return [f"m{number:03}" for number in range(count)]


def fewest(seen: list[tuple[Recipe, bool]]) -> set[str]:
    accepted_recipes = [recipe for recipe, accepted in seen if accepted]
    return set(min(accepted_recipes, key=lambda recipe: len(recipe.fallbacks)).fallbacks)


def test_one_trial_when_everything_can_be_int8() -> None:
    seen = search(names(38), needs())
    assert [recipe.fallbacks for recipe, _ in seen] == [()]


def test_the_ranking_is_not_asked_for_when_everything_can_be_int8() -> None:
    recipe = Recipe({"a": Precision.INT8_DYNAMIC})
    proposals = Basic().proposals(SearchSpace(recipe, lambda: pytest.fail("ranked without need")))
    first = next(proposals)
    with pytest.raises(StopIteration):
        proposals.send(CompleteTrial(1, first, 1.0, True, 0.0))


@pytest.mark.parametrize("size", [38, 74, 150])
@pytest.mark.parametrize(("planted", "trials"), [(1, 2), (2, 4), (3, 7), (8, 14)])
def test_with_a_perfect_ranking_only_what_matters_is_tried(size: int, planted: int, trials: int) -> None:
    """All int8; prefixes of 1, 2, 4, ... and then between; then each of the prefix but its last."""
    ranking = names(size)
    seen = search(ranking, needs(*ranking[:planted]))
    assert fewest(seen) == set(ranking[:planted])
    assert len(seen) == trials


def test_the_order_of_proposals() -> None:
    ranking = names(12)
    seen = search(ranking, needs("m001", "m002"))
    assert [" ".join(recipe.fallbacks) for recipe, _ in seen] == [
        "",
        *("m000", "m000 m001", "m000 m001 m002 m003", "m000 m001 m002"),
        *("m000 m002", "m001 m002"),
    ]


def with_columns(ranking: Sequence[str], helped: Sequence[str], accepts: Callable[[Recipe], bool]) -> list[Recipe]:
    recipe = Recipe(dict.fromkeys(ranking, Precision.INT8_DYNAMIC))
    columns = dict.fromkeys(helped, (1, 2))
    searched = SearchSpace(recipe, lambda: list(ranking), float_columns=lambda: columns)
    proposals = Basic().proposals(searched)
    proposed, seen = next(proposals, None), []
    while proposed is not None:
        seen.append(proposed)
        proposed = answered(proposals, CompleteTrial(len(seen), proposed, 1.0, accepts(proposed), 0.0))
    return seen


def spared(recipe: Recipe) -> str:
    return " ".join(
        f"{name}*" if name in recipe.float_columns else name
        for name in recipe.modules
        if name in recipe.float_columns or name in recipe.fallbacks
    )


def test_columns_in_float_take_the_place_of_fallbacks_where_they_help() -> None:
    ranking = names(12)

    def accepts(recipe: Recipe) -> bool:
        return {"m000", "m001", "m002"} <= {*recipe.fallbacks, *recipe.float_columns}

    seen = with_columns(ranking, ["m000", "m002"], accepts)
    assert [spared(recipe) for recipe in seen] == [
        "",
        *("m000*", "m000* m001", "m000* m001 m002* m003", "m000* m001 m002*"),
        *("m000* m002*", "m001 m002*"),
    ]


def test_where_columns_do_not_help_after_all_modules_fall_back() -> None:
    ranking = names(12)
    seen = with_columns(ranking, ranking[:1], needs("m000"))
    assert [spared(recipe) for recipe in seen][-1] == "m000"
    assert [spared(recipe) for recipe in seen][:3] == ["", "m000*", "m000* m001"]


@given(st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)), st.sets(st.integers(0, 29)))
def test_with_columns_a_recipe_is_found_wherever_one_is_without(
    needed: set[int], offered: set[int], good: set[int]
) -> None:
    ranking = names(30)
    sensitive, enough = {ranking[i] for i in needed}, {ranking[i] for i in good}

    def accepts(recipe: Recipe) -> bool:
        return sensitive <= {*recipe.fallbacks, *(enough & set(recipe.float_columns))}

    seen = with_columns(ranking, [ranking[i] for i in sorted(offered)], accepts)
    without = with_columns(ranking, [], accepts)
    assert any(map(accepts, seen)) >= any(map(accepts, without))


@pytest.mark.parametrize("rank", [0, 1, 5, 20, 70, 140])
def test_one_module_costs_few_evaluations_wherever_it_is_ranked(rank: int) -> None:
    ranking = names(150)
    seen = search(ranking, needs(ranking[rank]))
    assert fewest(seen) == {ranking[rank]}
    assert len(seen) <= 4 + 4 * (rank + 1).bit_length()


def test_modules_that_do_not_matter_are_taken_back() -> None:
    ranking = names(38)
    seen = search(ranking, needs(ranking[3]))
    assert fewest(seen) == {ranking[3]}


@given(size=st.integers(2, 40), data=st.data())
def test_the_result_is_minimal_whatever_the_ranking(size: int, data: st.DataObject) -> None:
    ranking = data.draw(st.permutations(names(size)))
    sensitive = data.draw(st.sets(st.sampled_from(ranking[:-1])))
    assert fewest(search(ranking, needs(*sensitive))) == sensitive


@pytest.mark.parametrize("others", [0, 1, 3])
def test_a_needed_module_that_is_ranked_last_is_found(others: int) -> None:
    ranking = names(38)
    sensitive = {ranking[-1], *ranking[:others]}
    seen = search(ranking, needs(*sensitive))
    assert fewest(seen) == sensitive
    assert len(seen) <= 10 + 12 * (others + 1)


def test_a_model_that_cannot_be_quantized_at_all_ends_the_search() -> None:
    seen = search(names(38), lambda recipe: False)
    assert not any(accepted for _, accepted in seen)
    assert len(seen) <= 11 + 12


def test_it_is_found_by_name() -> None:
    assert isinstance(make_strategy("basic"), Basic)
