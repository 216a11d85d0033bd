"""Small encoder-decoders with a language model head, and rows for them."""

from typing import Any

import torch
from datasets import Dataset
from helpers import architectures
from helpers.tiny import VOCABULARY, token_rows
from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedModel, set_seed

END = 2
BART = architectures.BART | {"init_std": 0.3, "decoder_start_token_id": END, "forced_eos_token_id": None}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 0}
CONFIGS: dict[str, dict[str, Any]] = {"bart": BART, "mbart": BART, "t5": T5}


def small_encoder_decoder(name: str) -> PreTrainedModel:
    """`bart`, `mbart` or `t5`; the output layer shares the embedding's table."""
    set_seed(0)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": END}
    model = AutoModelForSeq2SeqLM.from_config(
        AutoConfig.for_model(name, vocab_size=VOCABULARY, **(CONFIGS[name] | special))
    )
    model.generation_config.max_length = 12
    return model.eval()


def generated_rows(model: PreTrainedModel, rows: int = 12) -> Dataset:
    """Random inputs, labelled with what `model` itself generates greedily."""
    inputs = token_rows(rows)
    with torch.no_grad():
        texts = [model.generate(torch.tensor([ids]), num_beams=1)[0, 1:].tolist() for ids in inputs["input_ids"]]
    return inputs.add_column("labels", texts)
