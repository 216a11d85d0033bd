"""Start from float, and make one group of modules at a time int8."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from nc_trainer.search.strategies.base import Proposals, SearchSpace


class Conservative:
    """Quantizes one type of module at a time, or else one role at a time, and keeps what the criterion allows.

    1. The types of modules (`Linear`, `Embedding`, ...) become int8 one after the other, those with the most weights
       first. A type that meets the criterion, together with what was kept before, is kept.
    2. A type that does not is split by role, the last part of the module's name (`query`, `key`, `dense`, ...), and
       its roles are tried and kept in the same way.

    Costs one evaluation for each type, and one for each role of a type that was refused.

    Source: the strategy `conservative` of Neural Compressor 2.x (neural_compressor/strategy/conservative.py), which
    has step 1 only. A transformer encoder has the single type Linear, for which that is all or nothing.
    """

    finishes_itself = True
    needs_values = False

    def proposals(self, space: SearchSpace) -> Proposals:
        """See `Strategy`."""
        kept: list[str] = []
        for names in _groups(space, space.recipe.quantized, lambda name: space.kinds[name]):
            trial = yield space.recipe.only([*kept, *names])
            if trial.accepted:
                kept += names
                continue
            roles = _groups(space, names, role)
            for same_role in roles if len(roles) > 1 else []:
                trial = yield space.recipe.only([*kept, *same_role])
                kept += same_role if trial.accepted else []

    def expected_trials(self, modules: int) -> int:
        """A type or two, and the roles of one."""
        return min(modules, 9)


def role(name: str) -> str:
    """The last part of a module's name that is not a number: `query` of `encoder.layer.0.attention.self.query`."""
    parts = name.split(".")
    return next((part for part in reversed(parts) if not part.isdigit()), name)


def _groups(space: SearchSpace, names: Iterable[str], key: Callable[[str], str]) -> list[list[str]]:
    """Names that share a key, the group with the most weights first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[key(name)].append(name)
    return sorted(groups.values(), key=lambda group: sum(space.weights[name] for name in group), reverse=True)
