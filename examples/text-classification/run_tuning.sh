#!/bin/sh
# Tunes the fine-tuned checkpoint of a topology to int8:
#   sh run_tuning.sh --topology=NAME --dataset_location=DIR --input_model=DIR
#                    [--output_model=DIR] [--batch_size=N] [--tuning_config=FILE]
# `--help` lists the topologies and the defaults. PYTHON names another interpreter than python3.
exec "${PYTHON:-python3}" -u "$(dirname -- "$0")/run_topology.py" tune "$@"
