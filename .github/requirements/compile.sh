#!/usr/bin/env bash
# Pin the requirements beside this file anew. Needs uv.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=.github/requirements
export UV_CUSTOM_COMPILE_COMMAND="bash $here/compile.sh"
compile() {
  uv pip compile --quiet --universal --python-version 3.10 --prerelease disallow \
    --no-annotate --no-emit-index-url --upgrade "$@"
}

# What load.yml installs; hatchling builds the package there.
compile --generate-hashes --extra bigquery --extra snowflake --extra report \
  --output-file "$here/load.txt" pyproject.toml - <<<hatchling
compile --generate-hashes --output-file "$here/checks.txt" "$here/checks.in"
# The oldest releases that pyproject.toml allows, as constraints.
compile --resolution lowest-direct --extra dev \
  --output-file "$here/lowest.txt" pyproject.toml
