#!/usr/bin/env bash
# Tells Spark which GPUs this node has, in the form its resource discovery asks for.
addresses=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd,)
echo "{\"name\": \"gpu\", \"addresses\": [$addresses]}"
