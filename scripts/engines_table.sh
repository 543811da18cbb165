#!/usr/bin/env bash
# What cuDNN chose, summed up: Markdown from the tables that tests/cudnn leaves in LAMINA_RESULTS.
#   scripts/engines_table.sh TABLE.tsv... >tests/cudnn/engines.md
set -euo pipefail
echo '| GPU | operation | plans built | compiled at run time | none | engines of the plans built |'
echo '|---|---|---|---|---|---|'
awk -F'\t' '
  FNR == 1 { next }
  {
    split($2, word, " ")
    kind = $1 " | " word[1] " " word[2] " " word[3]
    if ($2 ~ / bias/) kind = kind ", bias"
    if ($2 ~ / activation/) kind = kind ", activation"
    kinds[kind] = 1
    count[kind, $3]++
    if ($3 == "built" || $3 == "padded by us") {
      sub(/_.*/, "", $4)
      engines[kind, $4]++
      names[$4] = 1
    }
  }
  END {
    for (kind in kinds) {
      list = ""
      for (name in names) {
        if (engines[kind, name]) list = list " " name ":" engines[kind, name]
      }
      printf "| %s | %d | %d | %d |%s |\n", kind, count[kind, "built"] + count[kind, "padded by us"],
        count[kind, "supported"], count[kind, "none"], list
    }
  }' "$@" | sort
