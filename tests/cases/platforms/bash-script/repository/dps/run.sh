#!/usr/bin/env bash
set -euo pipefail
mkdir -p output
wc -l "$1" > output/lines.txt
