"""Run by test_native_levels.py: prints the level in use, and a digest of what is computed in fp32 on it."""

import hashlib
from collections.abc import Iterator

import torch
from helpers.text_classifiers import padded, sequences, text_classifier
from torch import Tensor

from nc_trainer.int8.ops.attention import attention
from nc_trainer.int8.ops.engines import native
from nc_trainer.int8.ops.float_activation import float_activation
from nc_trainer.int8.ops.float_linear import float_linear
from nc_trainer.int8.proof import proven
from nc_trainer.int8.quantize import ModuleSwapper, full_recipe


def computed() -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    for rows, inputs, outputs in ((3, 37, 5), (40, 768, 100), (1, 64, 64), (9, 100, 130)):
        x, weight, bias = random(rows, inputs), random(outputs, inputs), random(outputs)
        yield float_linear(x, weight, bias)
        yield float_linear(x, weight.T.contiguous(), bias, transposed=True)
    for queries, keys, depth in ((5, 5, 8), (40, 70, 33), (700, 700, 64), (1, 9, 16)):
        q, k, v = random(2, 2, queries, depth), random(2, 2, keys, depth), random(2, 2, keys, depth)
        for mask in (None, random(2, 1, queries, keys) > 0, random(2, 1, queries, keys)):
            yield attention(q, k, v, mask, 0.3)
        yield attention(q, k, v, None, 0.3, is_causal=True)
    for function in native.activations():
        yield float_activation(random(777) * 5, function)
    for name in ("bert", "gpt2"):
        model, batch = text_classifier(name), padded(sequences([3, 11, 7]), 12)
        swapper, recipe = ModuleSwapper(model), full_recipe(model)
        recipe = proven(swapper, recipe.with_rest_in("float32"), batch).recipe
        swapper.apply(recipe.with_fallbacks(set(list(recipe.modules)[1::3])))
        yield model(**batch).logits


if __name__ == "__main__":
    with torch.no_grad():
        found = [tensor.contiguous().numpy().tobytes() for tensor in computed()]
    print(native.isa(), hashlib.sha256(b"".join(found)).hexdigest())
