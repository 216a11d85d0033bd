"""Which rows of the last layer a classifier reads: the first token of each sequence, or the last."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ANSWER_IS_THE_SAME = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "labels", "return_dict")
"""Arguments under which a model reads what it was seen to read. With any other it may return more than an answer."""


def rows_at(position: str, given: Mapping[str, Any], config: Any) -> Tensor | None:
    """The numbers of the rows of [batch * tokens] that may be read there, ascending int64.

    There is more than one idea of a last token: the last that is not padding, by its id or by the mask, and the last
    of all; a row of nothing but padding is read at its first. All of them are in the answer.

    Args:
        position: one of `nc_trainer.config.recipe.READ_AT`.
        given: the arguments of the model's forward, by name.
        config: of the model, None if it has none; it may name a `pad_token_id`.

    Returns:
        None where that cannot be told: the tokens themselves were not given.
    """
    ids, mask = given.get("input_ids"), given.get("attention_mask")
    if not isinstance(ids, Tensor) or ids.dim() != 2 or not ids.numel():
        return None
    starts = torch.arange(0, ids.numel(), ids.shape[1])
    if position == "first":
        return starts
    if mask is not None and (not isinstance(mask, Tensor) or mask.shape != ids.shape):
        return None
    found = [starts, starts + ids.shape[1] - 1]
    pad = pad_token_id(config)
    if pad is not None:
        found.append(starts + _last(ids != pad))
    if mask is not None:
        found.append(starts + _last(mask != 0))
    return torch.unique(torch.cat(found))


def pad_token_id(config: Any) -> int | None:
    """That of the text that a model reads; None where its config names none."""
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(text, "pad_token_id", None)


def asks_for_more(given: Mapping[str, Any]) -> bool:
    """Whether a model is called with arguments under which it was not seen."""
    return any(
        name not in ANSWER_IS_THE_SAME and value is not None and value is not False for name, value in given.items()
    )


def after_rows_are_left_out(model: nn.Module, names: Iterable[str]) -> list[nn.Module]:
    """The modules that may see the output of these layers, or hold one that does; the model itself is not among them.

    What comes before them in a module list, as the other layers of an encoder do, does not.
    """
    before: set[nn.Module] = set()
    chosen = tuple(names)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList):
            before.update(_modules_before(module, f"{name}.", chosen))
    return [module for module in model.modules() if module is not model and module not in before]


def has_other_hooks(modules: Sequence[nn.Module], harmless: Sequence[Callable[..., Any]]) -> bool:
    """Whether somebody watches one of these modules with a hook that is none of those given."""
    return any(
        hook not in harmless
        for module in modules
        if module._forward_hooks or module._forward_pre_hooks
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    )


def _last(real: Tensor) -> Tensor:
    """The number of the last true of each row [batch, tokens], 0 where there is none."""
    return (real * torch.arange(real.shape[1])).argmax(1)


def _modules_before(layers: nn.ModuleList, prefix: str, names: Sequence[str]) -> Iterator[nn.Module]:
    """What stands in a list before the first child that holds one of these layers; nothing if none does."""
    holding = [number for number in range(len(layers)) if any(f"{n}.".startswith(f"{prefix}{number}.") for n in names)]
    for layer in layers[: holding[0]] if holding else ():
        yield from layer.modules()
