"""The same for families of sounds: few and short convolutions over the samples."""

from typing import Any

SPEECH = {
    "conv_dim": [16, 16, 16],
    "conv_stride": [5, 4, 2],
    "conv_kernel": [10, 8, 4],
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
    "classifier_proj_size": 16,
}

SOUNDS: dict[str, dict[str, Any]] = {
    "audio-spectrogram-transformer": {"max_length": 64, "num_mel_bins": 16, "patch_size": 8}
    | {"frequency_stride": 8, "time_stride": 8},
    "data2vec-audio": SPEECH,
    "hubert": SPEECH,
    "sew": SPEECH,
    "sew-d": SPEECH,
    "unispeech": SPEECH,
    "unispeech-sat": SPEECH,
    "wav2vec2": SPEECH,
    "wav2vec2-bert": {"feature_projection_input_dim": 16, "classifier_proj_size": 16},
    "wav2vec2-conformer": SPEECH,
    "wavlm": SPEECH,
    "whisper": {"num_mel_bins": 16, "max_source_positions": 32, "classifier_proj_size": 16},
}
