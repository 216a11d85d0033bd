"""Training for int8 before a search: the search then judges the trained weights against the float model as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch import Tensor

from nc_trainer.errors import ConfigError
from nc_trainer.int8.quantize import ModuleSwapper, is_int8
from nc_trainer.int8.training import fake_quantize
from nc_trainer.search.search import Search
from nc_trainer.search.start import allowed_modules
from nc_trainer.search.trial import Evaluation

NOTE = "What is float in a trial has trained weights too, and flips are counted from the float model before training."


@contextmanager
def trained_for_int8(search: Search, evaluation: Evaluation, train: Callable[[], str]) -> Iterator[Search]:
    """Train the model while all of its modules that may be int8 compute so, and yield the search over what it became.

    The float weights are kept meanwhile: after an error, in the `with` block too, and where the block leaves the model
    in float, they are the model's again.

    Args:
        search: of the model, which is in float.
        evaluation: of the float model.
        train: trains the model in place; returns what it did, for a note.

    Raises:
        ConfigError: the configuration does not fit the model, or asks for explanations.
    """
    if search.config.tuning.explains:
        raise ConfigError(
            "`tuning.shapley`: explanations are compared with the float model's, whose weights quant_aware_training "
            "changes. Remove the key and the objective shapley_mse, or explain a model that is not trained."
        )
    model, was_training = search.model, search.model.training
    before = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    undo = fake_quantize(model, allowed_modules(search)[0].recipe)
    try:
        try:
            done = train()
        finally:
            undo()
        model.zero_grad()
        swapper = ModuleSwapper(model)  # the one before has int8 modules of the weights before
        yield replace(search, swapper=swapper, float_evaluation=evaluation, notes=(*search.notes, f"{done}. {NOTE}"))
    except BaseException:
        _restore(search, before, was_training)
        raise
    if not is_int8(model):
        _restore(search, before, was_training)


def _restore(search: Search, weights: dict[str, Tensor], training: bool) -> None:
    search.model.zero_grad()
    search.model.load_state_dict(weights)
    search.model.train(training)
