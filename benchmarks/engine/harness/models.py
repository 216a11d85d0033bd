"""The models: published sizes with random weights, since durations do not depend on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForSequenceClassification,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)


def bert() -> PreTrainedModel:
    """bert-base-uncased."""
    return BertForSequenceClassification(BertConfig())


def distilbert() -> PreTrainedModel:
    """distilbert-base-uncased."""
    return DistilBertForSequenceClassification(DistilBertConfig())


def minilm() -> PreTrainedModel:
    """nreimers/MiniLM-L6-H384-uncased."""
    return BertForSequenceClassification(BertConfig(num_hidden_layers=6, hidden_size=384, intermediate_size=1536))


def xlm_roberta() -> PreTrainedModel:
    """xlm-roberta-base."""
    config = XLMRobertaConfig(vocab_size=250002, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5)
    return XLMRobertaForSequenceClassification(config)


def modernbert() -> PreTrainedModel:
    """answerdotai/ModernBERT-base, of which transformers' defaults are made: 22 layers, two of three local."""
    return ModernBertForSequenceClassification(ModernBertConfig())


def deberta_v3() -> PreTrainedModel:
    """microsoft/deberta-v3-base."""
    config = DebertaV2Config(
        vocab_size=128100,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        type_vocab_size=0,
        layer_norm_eps=1e-7,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
    )
    return DebertaV2ForSequenceClassification(config)


def qwen2() -> PreTrainedModel:
    """Qwen/Qwen2-0.5B, with a padding token."""
    config = Qwen2Config(
        vocab_size=151936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=131072,
        rope_theta=1e6,
        pad_token_id=0,
    )
    return Qwen2ForSequenceClassification(config)


MODELS: Mapping[str, Callable[[], PreTrainedModel]] = MappingProxyType(
    {
        "bert": bert,
        "distilbert": distilbert,
        "minilm": minilm,
        "xlm-roberta": xlm_roberta,
        "modernbert": modernbert,
        "deberta-v3": deberta_v3,
        "qwen2": qwen2,
    }
)


def make_model(name: str) -> PreTrainedModel:
    """The fp32 model called `name` in eval mode; the same weights every time."""
    torch.manual_seed(0)
    return MODELS[name]().eval()
