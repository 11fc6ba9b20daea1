#!/usr/bin/env bash
# The fight for the last units, with every process killed and every link cut.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

python3 tests/end_to_end/contest.py
# Once more, where a store's node is gone for good in the middle and its standby takes its place.
python3 tests/end_to_end/contest.py --standby
