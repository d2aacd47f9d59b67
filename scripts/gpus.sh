#!/usr/bin/env bash
# Prints the GPUs of this node in the form that Spark's resource discovery expects: all of them, or
# those that CUDA_VISIBLE_DEVICES leaves to this Worker or executor.
addresses=$(nvidia-smi ${CUDA_VISIBLE_DEVICES:+--id="$CUDA_VISIBLE_DEVICES"} \
    --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd,)
echo "{\"name\": \"gpu\", \"addresses\": [$addresses]}"
