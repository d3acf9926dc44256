#!/bin/sh
# ops.sh - every op and block by shape, with achieved GFLOP/s and GB/s against what this machine can
# do at most: the network and its training step, each variant of the block alone with and without
# its gradients, in F32 and BF16.
#
#     bench/ops.sh [PROGRAM [FLAG...]]
#
# Flags go to every `PROGRAM bench`: --backend=cpu, --threads=1, --repeat=20; --json gives one object
# a line, each run's after a line {"run": "its flags"}. ONLY='infer block' leaves the rest out.
# OpenBLAS chooses its kernel for the processor: its variables are not passed on.
set -eu
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
program=${1:-./nonlocal}
test $# -eq 0 || shift
only=${ONLY:-peak infer train block}
for part in $only; do
    case $part in
    peak | infer | train | block) ;;
    *) echo "ops.sh: ONLY: want some of peak, infer, train and block, got \"$part\"" >&2 && exit 2 ;;
    esac
done
json=
for flag in "$@"; do
    case $flag in --json | --json=True) json=yes ;; esac
done

wanted() {
    case " $only " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# bench FLAG...: one run under its flags.
bench() {
    if test -n "$json"; then
        echo "{\"run\": \"$*\"}"
    else
        printf '\n# bench %s\n' "$*"
    fi
    "$program" bench "$@"
}

! wanted peak || bench --mode=peak "$@"
for precision in f32 bf16; do
    ! wanted infer || bench --mode=infer --precision=$precision --per-op "$@"
    ! wanted train || bench --mode=train --precision=$precision --per-op "$@"
    wanted block || continue
    for pairwise in embedded_gaussian gaussian dot_product concatenation; do
        for way in "" --backward; do
            # shellcheck disable=SC2086 # none or one flag
            bench --mode=block --shape=512,4,28,28 --pairwise=$pairwise $way \
                --precision=$precision --per-op "$@"
        done
    done
done
