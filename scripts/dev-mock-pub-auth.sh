#!/usr/bin/env bash
# The hybrid mode: real PostgreSQL, Redis and worker processes, but mock authentication (the bearer token is the person's DID) and
# fake publishers. Everything else as scripts/dev-combined.sh.
set -euo pipefail
export USE_MOCK_AUTH=true USE_FAKE_PUBLISHERS=true
exec "$(dirname "${BASH_SOURCE[0]}")/dev-combined.sh" "$@"
