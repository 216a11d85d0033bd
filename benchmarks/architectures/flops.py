"""Which share of each architecture's matrix products and weights can be int8.

python benchmarks/architectures/flops.py --output benchmarks/architectures/flops.json --page docs/architectures.md

Architectures that the installed transformers does not have keep the row that the file has already.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import transformers
from checkpoints import CHECKPOINTS, model_without_memory, one_row
from matmuls import products
from torch import Tensor
from transformers import CONFIG_MAPPING, PreTrainedModel

from nc_trainer.int8.quantize import ModuleSwapper, full_recipe

TOKENS = 128


@dataclass(frozen=True)
class Share:
    """One row of the table.

    Attributes:
        checkpoint: whose sizes these are.
        transformers: the version that computed it.
        modules: how many modules can be int8, without embeddings.
        int8_flops: of the products with their weights.
        other_flops: of products with weights that stay in float.
        attention_flops: of products that have no weight, which are those of attention.
        int8_weights: in modules that can be int8.
        embedding_weights: in embeddings, int8 if asked for.
        weights: of the whole model.
    """

    checkpoint: str
    transformers: str
    modules: int
    int8_flops: int
    other_flops: int
    attention_flops: int
    int8_weights: int
    embedding_weights: int
    weights: int


def share(checkpoint: str, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Share:
    """Count one forward pass over `batch`."""
    everything = ModuleSwapper(model).weights(full_recipe(model, embeddings=True))
    linear = list(full_recipe(model).modules)
    found = products(model, batch, linear)
    with_weight = [product for product in found if product.parameters]
    int8 = sum(product.flops for product in with_weight if product.parameters <= set(linear))
    return Share(
        checkpoint,
        transformers.__version__,
        modules=len(linear),
        int8_flops=int8,
        other_flops=sum(product.flops for product in with_weight) - int8,
        attention_flops=sum(product.flops for product in found if not product.parameters),
        int8_weights=sum(everything[name] for name in linear),
        embedding_weights=sum(everything.values()) - sum(everything[name] for name in linear),
        weights=sum(parameter.numel() for parameter in model.parameters()),
    )


def table(shares: Sequence[Share]) -> str:
    """As Markdown."""
    header = (
        "| sizes of | modules | GFLOP | of it int8 | attention | other weights "
        "| weights, millions | of them int8 | with embeddings |"
    )
    return "\n".join([header, "|---|" + "---:|" * 8, *map(_line, shares)])


def _line(row: Share) -> str:
    flops = row.int8_flops + row.other_flops + row.attention_flops
    cells = (
        row.checkpoint,
        str(row.modules),
        f"{flops / 1e9:.1f}",
        *(f"{part / flops:.2%}" for part in (row.int8_flops, row.attention_flops, row.other_flops)),
        f"{row.weights / 1e6:.0f}",
        f"{row.int8_weights / row.weights:.1%}",
        f"{(row.int8_weights + row.embedding_weights) / row.weights:.1%}",
    )
    return f"| {' | '.join(cells)} |"


def with_table(page: str, shares: Sequence[Share]) -> str:
    """The page with its first table replaced."""
    return re.sub(r"(?m)^\| sizes of .*\n(\|.*\n)+", table(shares) + "\n", page, count=1)


def read(path: Path) -> dict[str, Share]:
    """The rows of a file by checkpoint, none if there is no file."""
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {row["checkpoint"]: Share(**row) for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="JSON, read first and replaced")
    parser.add_argument("--page", type=Path, help="Markdown whose table is replaced")
    arguments = parser.parse_args()
    shares = read(arguments.output)
    for checkpoint, settings in CHECKPOINTS.items():
        if settings["model_type"] in CONFIG_MAPPING:
            model = model_without_memory(settings)
            shares[checkpoint] = share(checkpoint, model, one_row(model, TOKENS))
            print(_line(shares[checkpoint]), flush=True)
    rows = [shares[checkpoint] for checkpoint in CHECKPOINTS if checkpoint in shares]
    arguments.output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        arguments.page.write_text(with_table(arguments.page.read_text(encoding="utf-8"), rows), encoding="utf-8")


if __name__ == "__main__":
    main()
