"""From what the probes have shown to what is applied: only what leaves every bit of the logits as it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from torch import Tensor

from nc_trainer.config.recipe import Coverage, Precision, Recipe
from nc_trainer.int8.fusion.find import fused_as
from nc_trainer.int8.ops import use_engine
from nc_trainer.int8.proof.compare import explained_by_bf16, explained_by_float32, same_bits
from nc_trainer.int8.proof.find_read_rows import find_read_rows
from nc_trainer.int8.proof.head import head_of
from nc_trainer.int8.proof.observe import Observations, observe
from nc_trainer.int8.proof.probes import Probe, checked_probes, long_probes, watched_probes
from nc_trainer.int8.proof.state import unchanged
from nc_trainer.int8.quantize import ModuleSwapper
from nc_trainer.int8.replay import logits

Item = TypeVar("Item")
Logits = list[Tensor] | None
"""None where the model does not take the probe."""
Results = Sequence[tuple[Probe, Logits]]


@dataclass(frozen=True)
class Proof:
    """A recipe with what was proven on the model, and a sentence for each part that was dropped."""

    recipe: Recipe
    notes: tuple[str, ...] = ()


def proven(swapper: ModuleSwapper, recipe: Recipe, examples: Mapping[str, Tensor]) -> Proof:
    """The recipe with what can be fused and left out, each part only if the int8 model keeps its logits with it.

    What is found on some probes is checked on others: with the rest in float32 and the reference engine, whose
    activations are torch's, every bit of the logits must be the same. With the rest in bfloat16, the whole must be
    within what bfloat16 explains. The model is left in float, with everything else as it was.

    Costs about 70 forward passes over one to three rows of up to 16 tokens, and eight over one row of 512.

    Args:
        swapper: of the model.
        recipe: with everything in int8 that can be.
        examples: a few rows of model inputs, without labels.
    """
    names = [name for name, value in recipe.modules.items() if value is Precision.INT8_DYNAMIC]
    model = swapper.model
    with unchanged(model):
        swapper.restore()
        longest = _first_taken(swapper, long_probes(examples, model))
        observed = observe(model, names, [*watched_probes(examples, model), *longest])
        try:
            read = find_read_rows(model, observed.token_wise(names), watched_probes(examples, model))
            return _Prover(swapper, recipe, checked_probes(examples, model), longest, observed, read).run()
        finally:
            swapper.restore()


class _Prover:
    """Tries parts of one recipe on probes."""

    def __init__(
        self,
        swapper: ModuleSwapper,
        recipe: Recipe,
        probes: Sequence[Probe],
        long_probes: Sequence[Probe],
        observed: Observations,
        read_rows: Mapping[str, str],
    ) -> None:
        self.swapper = swapper
        self.observed = observed
        self.read_rows = read_rows
        self.wanted = recipe
        self.probes = probes
        self.long_probes = long_probes
        self.plain = replace(Recipe(recipe.modules), coverage=Coverage(_longest(observed), ("right", "left")))
        self.notes: list[str] = []

    def run(self) -> Proof:
        found = self.plain
        if self.observed.runs:
            found = self._with_attention(self._with_fusions(found))
            found = self._with_read_rows(self._with_padding(found))
        found = replace(found, float_dtype=self.wanted.float_dtype)
        if self.observed.runs and found.float_dtype != "float32":
            found = self._in_bf16(found)
        return Proof(found, tuple(self.notes))

    def _with_fusions(self, recipe: Recipe) -> Recipe:
        """In the reference engine, whose activations are torch's: the bits of the plain model."""
        found = fused_as(self.swapper.model, recipe, self.observed.seen)
        groups, activations = found.shared_inputs, found.activations

        def fused(names: Sequence[str], shared: Sequence[tuple[str, ...]]) -> Recipe:
            return recipe.fused(shared, {name: activations[name] for name in names})

        if not groups and not activations:
            return recipe
        with use_engine("reference"):
            expected = self._all_logits(recipe, [*self.probes, *self.long_probes])
            if self._same(found, expected):
                return found
            kept = self._largest(list(activations), lambda names: fused(names, ()), expected, "activations to fuse")
            shared = self._largest(groups, lambda some: fused(kept, some), expected, "groups of layers with one input")
        return fused(kept, shared)

    def _with_padding(self, recipe: Recipe) -> Recipe:
        """In the engine that will run: the bits of the fused model that computes padding."""
        layers = self.observed.token_wise(recipe.modules)
        expected = self._all_logits(recipe, [*self.probes, *self.long_probes])
        taken = {probe.padding for probe, found in expected if found is not None}
        right = [(probe, found) for probe, found in expected if probe.padding != "left"]
        if not layers or "right" not in taken:
            return recipe

        def skipping(names: Sequence[str], *sides: str) -> Recipe:
            coverage = replace(recipe.coverage, padding=sides)
            return replace(recipe, padding="skip", token_wise=tuple(names), coverage=coverage)

        kept = self._largest(layers, lambda names: skipping(names, "right"), right, "layers that could skip padding")
        both = skipping(kept, "right", "left")
        if not kept:
            return recipe
        return both if "left" in taken and self._same(both, expected) else skipping(kept, "right")

    def _with_read_rows(self, recipe: Recipe) -> Recipe:
        """In the engine that will run: the bits of the model that computes all rows of its last layer."""
        if not self.read_rows:
            return recipe
        expected = self._all_logits(recipe, [*self.probes, *self.long_probes])
        kept = self._largest(
            list(self.read_rows),
            lambda names: replace(recipe, read_rows={name: self.read_rows[name] for name in names}),
            expected,
            "layers of which only some rows are read",
        )
        return replace(recipe, read_rows={name: self.read_rows[name] for name in kept})

    def _largest(
        self, items: Sequence[Item], build: Callable[[Sequence[Item]], Recipe], expected: Results, what: str
    ) -> list[Item]:
        """The items that leave the logits as they are together: all of them, or found by halving."""

        def search(some: Sequence[Item], others: list[Item]) -> list[Item]:
            if not some or self._same(build([*others, *some]), expected):
                return [*others, *some]
            if len(some) == 1:
                return others
            half = len(some) // 2
            return search(some[half:], search(some[:half], others))

        kept = search(items, [])
        if len(kept) < len(items):
            self.notes.append(
                f"{len(items) - len(kept)} of {len(items)} {what} changed the logits of a trial batch: left out."
            )
        return kept

    def _same(self, recipe: Recipe, expected: Results) -> bool:
        for probe, logits_of_plain in expected:
            found = self._logits(recipe, probe)
            if (found is None) != (logits_of_plain is None):
                return False
            if found is not None and logits_of_plain is not None and not same_bits(found, logits_of_plain):
                return False
        return True

    def _all_logits(self, recipe: Recipe, probes: Sequence[Probe]) -> Results:
        return [(probe, self._logits(recipe, probe)) for probe in probes]

    def _with_attention(self, recipe: Recipe) -> Recipe:
        """With ours, where the float model computes what it computes with its own."""
        if self.wanted.attention == "model":
            return recipe
        own = recipe.in_float()
        probes = [*self.probes, *self.long_probes]
        pairs = zip(
            self._all_logits(replace(own, attention="native"), probes), self._all_logits(own, probes), strict=True
        )
        if all(_same_in_float32(found, expected) for (_, found), (_, expected) in pairs):
            return replace(recipe, attention=self.wanted.attention)
        self.notes.append("Attention in our kernels is further from the model's than float32 explains: left out.")
        return replace(recipe, coverage=replace(recipe.coverage, attention=False))

    def _in_bf16(self, recipe: Recipe) -> Recipe:
        """With a head in float32 and our attention, where the model computes what it computes without them."""
        after, modules = head_of(self.swapper.model, self.observed.runs)
        plain = replace(self.plain, float_dtype=recipe.float_dtype)
        head = {"float32_after": after, "float32_modules": modules}
        own = {"attention": "model", "coverage": replace(recipe.coverage, attention=False)}
        candidates = [replace(recipe, **parts) for parts in (head, {**own, **head}, {}, own)]
        references = list(
            zip(self._all_logits(plain, self.probes), self._all_logits(self.plain, self.probes), strict=True)
        )
        if any(found is None and exact is not None for (_, found), (_, exact) in references):
            self.notes.append("The rest computes in float32: the model does not compute in bfloat16.")
            return recipe.with_rest_in("float32")
        for candidate in candidates:
            if all(self._explained(candidate, *of_plain, exact) for of_plain, (_, exact) in references):
                break
        if candidate.attention != recipe.attention:
            self.notes.append("Attention in our kernels is further from the model's than bfloat16 explains: left out.")
        if candidate.float32_after != after:
            self.notes.append(
                "The head computes in bfloat16: the model does not take its last layer's output in float32."
            )
        return candidate

    def _explained(self, recipe: Recipe, probe: Probe, plain: Logits, exact: Logits) -> bool:
        if plain is None or exact is None:
            return True
        found = self._logits(recipe, probe)
        return found is not None and explained_by_bf16(found, plain, exact)

    def _logits(self, recipe: Recipe, probe: Probe) -> Logits:
        try:
            self.swapper.apply(recipe)
            return logits(self.swapper.model, probe.inputs)
        except Exception:  # the model's own code, on a batch that it was perhaps not made for
            return None


def _same_in_float32(found: Logits, expected: Logits) -> bool:
    if found is None or expected is None:
        return found is expected
    return explained_by_float32(found, expected)


def _longest(observed: Observations) -> int | None:
    return max((run.shape[1] for run in observed.runs), default=None)


def _first_taken(swapper: ModuleSwapper, probes: Sequence[Probe]) -> list[Probe]:
    """The first that the float model takes."""
    for probe in probes:
        try:
            logits(swapper.model, probe.inputs)
        except Exception:  # more tokens than it has positions for
            continue
        return [probe]
    return []
