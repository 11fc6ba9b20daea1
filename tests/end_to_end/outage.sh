#!/usr/bin/env bash
# Real baskets of two stores through an outage, once with mosquitto's defaults and once with the project's configuration.
# The baskets are fetched into target/ the first time; see tools/fetch_baskets.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

baskets=${CARGO_TARGET_DIR:-target}/baskets
if [[ ! -s $baskets/baskets.csv ]]; then
    tools/fetch_baskets "$baskets" 367 406
fi
for broker in stock project; do
    python3 tests/end_to_end/outage.py "$baskets" --broker "$broker"
done
