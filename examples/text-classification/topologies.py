"""The twelve topologies that run_tuning.sh and run_benchmark.sh know: the one place that describes them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

TRUE = ("1", "true", "yes", "on", "y", "t")
"""What transformers takes for a yes in an environment variable."""


@dataclass(frozen=True)
class Topology:
    """What one name of Neural Compressor's examples stands for; the weights are always the user's own checkpoint."""

    name: str
    task: str
    """Name of the GLUE task."""
    model_type: str
    """The architecture, as the checkpoint's config.json calls it."""
    base: str
    """The pretrained model on the hub that such checkpoints are fine-tuned from."""
    max_seq_length: int = 128
    """In tokens, for tuning and for `--mode=accuracy`; longer rows are cut."""
    benchmark_seq_length: int = 128
    """In tokens, for `--mode=benchmark`."""

    def check_available(self) -> None:
        """Raise a ValueError if the installed transformers does not have the architecture."""
        from transformers import (
            CONFIG_MAPPING,
        )  # here, because it takes seconds that a mistaken flag need not wait for

        if self.model_type not in CONFIG_MAPPING:
            raise ValueError(
                f"{self.name}: the installed transformers has no '{self.model_type}' models; transformers 4.57 is the "
                "last line that does. In a virtual environment of its own run `pip install 'transformers>=4.57,<5'`, "
                "or in a clone of nc_trainer `make transformers4-env`, then name that Python: "
                "PYTHON=.venv-transformers4/bin/python sh run_tuning.sh ..."
            )

    def check_model(self, directory: Path) -> None:
        """Raise a ValueError unless `directory` holds a model of this architecture."""
        try:
            found = json.loads((directory / "config.json").read_text(encoding="utf-8")).get("model_type")
        except (OSError, ValueError, AttributeError) as error:
            raise ValueError(f"'{directory}' holds no model: its config.json cannot be read ({error})") from error
        if found != self.model_type:
            raise ValueError(f"{self.name} is for '{self.model_type}' models; '{directory}' holds a '{found}' model")
        if (directory / "vocab.pkl").is_file() and os.environ.get("TRUST_REMOTE_CODE", "").lower() not in TRUE:
            raise ValueError(
                f"'{directory}/vocab.pkl' is a pickle, which can run any code while it is read. If you trust where it "
                "comes from, set the environment variable TRUST_REMOTE_CODE=1; transformers asks for it, too"
            )


TOPOLOGIES = {
    topology.name: topology
    for topology in (
        Topology("bert_base_MRPC", "mrpc", "bert", "bert-base-uncased"),
        Topology("distilbert_base_MRPC", "mrpc", "distilbert", "distilbert-base-uncased"),
        # Published ALBERT latencies are those of 512 tokens.
        Topology("albert_base_MRPC", "mrpc", "albert", "albert-base-v1", benchmark_seq_length=512),
        Topology("funnel_MRPC", "mrpc", "funnel", "funnel-transformer/small"),
        Topology("bart_WNLI", "wnli", "bart", "facebook/bart-large"),
        Topology("mbart_WNLI", "wnli", "mbart", "facebook/mbart-large-cc25"),
        Topology("xlm_roberta_MRPC", "mrpc", "xlm-roberta", "xlm-roberta-base"),
        Topology("gpt2_MRPC", "mrpc", "gpt2", "gpt2"),
        Topology("xlnet_base_MRPC", "mrpc", "xlnet", "xlnet-base-cased"),
        Topology("transfo_xl_MRPC", "mrpc", "transfo-xl", "transfo-xl-wt103"),
        Topology("ctrl_MRPC", "mrpc", "ctrl", "ctrl"),
        Topology("xlm_MRPC", "mrpc", "xlm", "xlm-mlm-en-2048"),
    )
}
