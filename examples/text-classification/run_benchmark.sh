#!/bin/sh
# Measures the accuracy or the speed of a topology's checkpoint, or of the int8 model that it was tuned to:
#   sh run_benchmark.sh --topology=NAME --dataset_location=DIR --input_model=DIR --mode=accuracy|benchmark
#                       [--int8=true|false] [--config=DIR] [--batch_size=N] [--iters=N] [--output_log=DIR]
# `--help` lists the topologies and the defaults. PYTHON names another interpreter than python3.
exec "${PYTHON:-python3}" -u "$(dirname -- "$0")/run_topology.py" benchmark "$@"
