#!/usr/bin/env bash
# Times our engine beside its nearest peers, a file of results for each shape, so that no part takes more than minutes.
#   run_in_parts.sh GLUE_DIR TOKENIZER_DIR
set -eu
glue=$1 tokenizer=$2
cd "$(dirname "$0")/../.."
peers=".venv-peers/bin/python benchmarks/engine/compare_peers.py --glue $glue --tokenizer $tokenizer"
near="fp32 openvino_int8_bf16 openvino_int8_dynamic ours ours_compile ours_all_rows"

for shape in bert-1x32 bert-1x128 distilbert-1x128 minilm-1x32 minilm-1x128 minilm-16x128 \
             bert-sst2 bert-mrpc bert-sst2-served bert-mrpc-served minilm-sst2 minilm-sst2-served \
             xlm-roberta-1x128 modernbert-1x128 deberta-v3-1x128; do
    $peers --only $near --shapes $shape --seconds 60 --output $shape.json
done
for shape in bert-16x128 xlm-roberta-16x128 modernbert-16x128 deberta-v3-16x128 qwen2-1x128; do
    $peers --only $near --shapes $shape --rounds 8 --output $shape.json
done
$peers --only fp32 openvino_int8_dynamic ours --shapes qwen2-16x128 --rounds 8 --output qwen2-16x128.json
