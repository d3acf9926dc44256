#!/bin/sh
# The program's commands from outside: results, messages, exit statuses. Videos are made here.
set -eu
program=$NL_PROGRAM
maker=${NL_CLIPMAKER:-$(pwd)/tests/clipmaker}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0
bad=0

narrow="--set MODEL.width=4 --set MODEL.num_classes=5 --set TRAIN.crop_size=64
        --set INFER.crop_size=64 --set INFER.jitter_scales=[64,64]"

ok() { passed=$((passed + 1)); }
wrong() {
    bad=$((bad + 1))
    echo "FAIL: $*"
}

# refuses STATUS "part of the message" ARGUMENT...: one line on stderr, that status, nothing on stdout.
refuses() {
    want=$1 part=$2
    shift 2
    status=0
    "$program" "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
    if test "$status" != "$want"; then
        wrong "$*: status $status, want $want: $(cat "$scratch/err")"
    elif ! grep -qF -- "$part" "$scratch/err"; then
        wrong "$*: want \"$part\", got: $(cat "$scratch/err")"
    elif test "$(grep -cv '^warning:\|^weights:' "$scratch/err")" != 1; then
        wrong "$*: more than one line: $(cat "$scratch/err")"
    else
        ok
    fi
}

# holds COMMAND...: it succeeds.
holds() {
    if "$@" >"$scratch/out" 2>"$scratch/err"; then ok; else wrong "$*: $(cat "$scratch/err")"; fi
}

"$maker" "$scratch/one.avi" 80 64 40
"$maker" "$scratch/two.mp4" 64 96 12
mkdir "$scratch/folder"
"$maker" "$scratch/folder/three with space.avi" 72 72 30
echo "this is no video" >"$scratch/text.mp4"
: >"$scratch/empty.mp4"

# Weights, and what carries their configuration.
# shellcheck disable=SC2086 # a list of flags
holds "$program" init $narrow --to="$scratch/w.safetensors" --seed=3
# shellcheck disable=SC2086
holds "$program" init $narrow --to="$scratch/again.safetensors" --seed=3
holds cmp "$scratch/w.safetensors" "$scratch/again.safetensors"
holds "$program" predict "$scratch/one.avi" "$scratch/folder" --weights="$scratch/w.safetensors" --json="$scratch/a.json"
holds test "$(wc -l <"$scratch/a.json")" = 2
holds grep -q '"frames":40,"views":30' "$scratch/a.json"
holds grep -q 'three with space' "$scratch/a.json"
holds "$program" predict "$scratch/one.avi" "$scratch/folder" --weights="$scratch/w.safetensors" --json="$scratch/b.json" --threads=1
holds cmp "$scratch/a.json" "$scratch/b.json"
# A last batch that is not full counts what is in it.
for batch in 1 4; do
    holds "$program" predict "$scratch/one.avi" "$scratch/two.mp4" --weights="$scratch/w.safetensors" --views=3x3 \
        --backend=ref --batch_size=$batch --json="$scratch/batch$batch.json"
done
holds cmp "$scratch/batch1.json" "$scratch/batch4.json"
holds "$program" convert --from="$scratch/w.safetensors" --to="$scratch/c.safetensors"
holds "$program" clip --video_path="$scratch/one.avi" --temporal=1 --spatial=2 --output="$scratch/clip.npy" \
    --set INFER.crop_size=64 --set 'INFER.jitter_scales=[64,64]'
holds "$program" forward --weights="$scratch/w.safetensors" --input="$scratch/clip.npy" --output="$scratch/p.npy"
holds "$program" forward --weights="$scratch/w.safetensors" --input="$scratch/clip.npy" --output="$scratch/l.npy" --layer=res3a
holds "$program" info
holds "$program" info --weights="$scratch/w.safetensors"
holds "$program" bench --mode=infer --weights="$scratch/w.safetensors" --repeat=1 --json
# shellcheck disable=SC2086
holds "$program" bench --mode=data --video_path="$scratch/one.avi" --repeat=1 $narrow
holds "$program" bench --mode=data --train --video_path="$scratch/one.avi" --repeat=1 \
    --set TRAIN.crop_size=32 --set 'TRAIN.jitter_scales=[32,48]'
holds "$program" bench --mode=block --shape=8,2,4,4 --pairwise=concat --repeat=1

# Threads that OpenMP binds are as many as others.
holds env -u OMP_WAIT_POLICY OMP_PROC_BIND=true OMP_PLACES=cores "$program" bench --mode=block --shape=8,2,4,4 \
    --repeat=1 --threads="$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)"

# Each op's line has its shares of what the machine can do; the last line is the run's.
holds "$program" bench --mode=peak --threads=1
"$program" bench --mode=block --shape=8,2,4,4 --backward --repeat=1 --per-op --json --threads=1 \
    >"$scratch/ops" 2>&1 || wrong "bench --per-op --json: $(cat "$scratch/ops")"
holds test "$(grep -c '^{"op": .*"share_of_peak": .*"share_of_memory": ' "$scratch/ops")" = \
    "$(($(wc -l <"$scratch/ops") - 1))"
for op in conv conv_dx conv_dw pairwise pairwise_dx affine_dab; do
    holds grep -q "^{\"op\": \"$op\", \"type\": \"f32\"" "$scratch/ops"
done
holds grep -q '^{"ms_min": .*"arena_bytes": [0-9]*, "workspace_bytes": [0-9]*, "constant_bytes": [0-9]*, "input_output_bytes": [0-9]*}$' "$scratch/ops"
"$program" bench --mode=block --shape=8,2,4,4 --repeat=1 --per-op --precision=bf16 --threads=1 >"$scratch/ops" 2>/dev/null || :
holds grep -q '^times  op  *type  *shape  *first node  *served by  *ms  ms in all  GFLOP/s  of peak  GB/s  of memory$' "$scratch/ops"
holds grep -q '^ *[0-9]*  all ' "$scratch/ops"

# Cost against size: one line a size, then the exponents.
if command -v python3 >/dev/null; then
    holds python3 "$(dirname "$NL_CONFIG")/../bench/scaling.py" --program="$program" --frames=2,4 --crops=64,96 \
        --variants=concatenation --repeat=1 --backend=cpu
    cp "$scratch/out" "$scratch/scaling"
    holds test "$(grep -c '^|  *[24] |  *[69][46] |' "$scratch/scaling")" = 4
    holds grep -q '^memory: exponent [-0-9.]*, over the larger half [-0-9.]*: ' "$scratch/scaling"
    for flag in --program="$scratch/none" --crops=8,64; do
        status=0
        python3 "$(dirname "$NL_CONFIG")/../bench/scaling.py" --program="$program" "$flag" >"$scratch/rows" 2>"$scratch/said" ||
            status=$?
        holds test "$status" = 2
        holds grep -q '^scaling.py: error: ' "$scratch/said"
        holds test ! -s "$scratch/rows"
    done
else
    echo "skip: bench/scaling.py needs python3"
fi

refused=0
ONLY="block bogus" sh "$(dirname "$NL_CONFIG")/../bench/ops.sh" "$program" >"$scratch/said" 2>&1 || refused=$?
holds test "$refused" = 2
holds grep -q 'got "bogus"$' "$scratch/said"

# BF16: every command that runs a network; a backend that emulates it says so in one line.
holds "$program" predict "$scratch/one.avi" --weights="$scratch/w.safetensors" --precision=bf16
holds "$program" forward --weights="$scratch/w.safetensors" --input="$scratch/clip.npy" \
    --output="$scratch/p16.npy" --precision=bf16
holds test "$(wc -c <"$scratch/p16.npy")" = "$(wc -c <"$scratch/p.npy")"
holds "$program" forward --weights="$scratch/w.safetensors" --input="$scratch/clip.npy" \
    --output="$scratch/l16.npy" --layer=res3a --precision=bf16 --backend=ref
holds test "$(grep -c 'warning: --precision=bf16 is emulated by backend ref' "$scratch/err")" = 1
holds test "$(wc -c <"$scratch/l16.npy")" = "$(wc -c <"$scratch/l.npy")"
holds "$program" info --weights="$scratch/w.safetensors" --precision=bf16
holds "$program" bench --mode=infer --weights="$scratch/w.safetensors" --repeat=1 --precision=bf16
# shellcheck disable=SC2086
holds "$program" bench --mode=train --batch=2 --repeat=1 --precision=bf16 $narrow
holds "$program" bench --mode=block --shape=8,2,4,4 --repeat=1 --precision=bf16 --backward

# Lists of one, two and four columns give what the files themselves give.
printf '%s\n' "$scratch/one.avi" "$scratch/folder/three with space.avi" >"$scratch/list1"
printf '%s 1\n' "$scratch/one.avi" "$scratch/folder/three with space.avi" >"$scratch/list2"
for t in 0 1 2 3 4 5 6 7 8 9; do
    for s in 0 1 2; do echo "$scratch/one.avi 7 $t $s"; done
done >"$scratch/list4"
for n in 1 2 4; do
    holds "$program" predict --filelist="$scratch/list$n" --weights="$scratch/w.safetensors" --json="$scratch/l$n.json"
done
holds cmp "$scratch/a.json" "$scratch/l1.json"
holds cmp "$scratch/a.json" "$scratch/l2.json"
head -n 1 "$scratch/a.json" >"$scratch/first.json"
holds cmp "$scratch/first.json" "$scratch/l4.json"

# Three broken videos of five: the others are done, each is named, status 3.
status=0
"$program" predict "$scratch/one.avi" "$scratch/text.mp4" "$scratch/two.mp4" "$scratch/empty.mp4" "$scratch/none.mp4" \
    --weights="$scratch/w.safetensors" --json="$scratch/d.json" >"$scratch/out" 2>"$scratch/skipped" || status=$?
holds test "$status" = 3
holds test "$(wc -l <"$scratch/d.json")" = 2
for name in text.mp4 empty.mp4 none.mp4; do holds grep -q "skipped: .*$name" "$scratch/skipped"; done

# The original's commands with unset variables, and its file.
W=
refuses 2 "NONLOCAL.pdparams" predict --model_name=NONLOCAL --weights=$W --video_path="$scratch/one.avi"
refuses 2 "unknown command pridect; the nearest is predict" pridect
refuses 1 "No such file" train --seed=1 --save_dir="$scratch/run" --set TRAIN.filelist=/nowhere/list.txt
refuses 2 "unknown flag --wieghts; the nearest is --weights" predict --wieghts=x
refuses 2 "--threads: want an integer from 1 to 1024" info --threads=0
test "$(nproc)" -ge 1024 ||
    refuses 2 "the processors that this process may run on, got 1024" \
        bench --mode=block --shape=8,2,4,4 --threads=1024
refuses 2 "--use_gpu: want True, False or auto" info --use_gpu=maybe
refuses 2 "no backend \"cuda\"" info --use_gpu=True --config="$NL_CONFIG"
refuses 2 "unknown key NONLOCAL.parwise; the nearest is pairwise" info --set NONLOCAL.parwise=dot
refuses 2 "MODEL.width: want an integer" info --set MODEL.width=wide
refuses 2 "use pairwise: dot_product" info --set NONLOCAL.use_softmax=False
refuses 2 "no variant \"cosine\"" info --pairwise=cosine
refuses 2 "does not divide the 4 frames" info --group_size=3
refuses 2 "want f32 or bf16 or f64" info --precision=f16
refuses 2 "no backend \"tpu\"" info --backend=tpu
"$program" info | grep -q '^  onednn ' ||
    refuses 2 "this build has no backend onednn; install oneDNN" info --backend=onednn
for command in info "bench --repeat=1" "predict --weights=$scratch/w.safetensors $scratch/one.avi"; do
    # shellcheck disable=SC2086 # a list of words
    refuses 2 "--precision=f64: backend cpu does not multiply f64; --backend=ref does" $command \
        --precision=f64 --backend=cpu
    # shellcheck disable=SC2086
    refuses 2 "embedded_gaussian of nonlocal_conv3_1 has no implementation \"sorted\" on backend cpu; it has" \
        $command --nl_impl=sorted --backend=cpu
done
"$program" bench --mode=block --shape=8,2,4,4 --repeat=1 --precision=f64 >"$scratch/f64" 2>&1 || :
holds grep -q '"backend": "ref"' "$scratch/f64"
refuses 2 "gaussian of nonlocal has no implementation \"nothing\" on backend ref; it has plain" \
    bench --mode=block --shape=8,2,4,4 --pairwise=gaussian --nl_impl=nothing --backend=ref
# shellcheck disable=SC2086
refuses 2 "concatenation of nonlocal_conv3_1 has no implementation \"nothing\"" \
    bench --mode=train $narrow --pairwise=concat --nl_impl=nothing
refuses 2 "--backward is of --mode=block, not infer" bench --backward
refuses 2 "--shape is of --mode=block, not train" bench --mode=train --shape=8,2,4,4
refuses 2 "--train is of --mode=data, not infer" bench --mode=infer --train
refuses 2 "--video_path is of --mode=data, not infer" bench --video_path="$scratch/one.avi"
refuses 2 "--per-op is of --mode=infer, train or block, not data" bench --mode=data --per-op --video_path="$scratch/one.avi"
refuses 2 "--crop is of --mode=infer or train, not block" bench --mode=block --shape=8,2,4,4 --crop=32
refuses 2 "--batch is of --mode=infer, train or block, not peak" bench --mode=peak --batch=2
refuses 1 "No such file" info --config="$scratch/none.yaml"
refuses 1 "No such file" predict --weights="$scratch/none" --video_path="$scratch/one.avi"
refuses 1 "text.mp4" predict --weights="$scratch/w.safetensors" --video_path="$scratch/text.mp4"
refuses 2 "NONLOCAL.pairwise is 'gaussian', but this checkpoint was made with 'embedded_gaussian'" \
    predict --weights="$scratch/w.safetensors" --video_path="$scratch/one.avi" --pairwise=gaussian
refuses 2 "MODEL.video_arc_choice is 2, but this checkpoint was made with 1" \
    predict --weights="$scratch/w.safetensors" --video_path="$scratch/one.avi" --set MODEL.video_arc_choice=2
refuses 2 "--layer: no node \"res9\"" forward --weights="$scratch/w.safetensors" --input="$scratch/clip.npy" \
    --output="$scratch/x.npy" --layer=res9
refuses 2 "--views" predict --weights="$scratch/w.safetensors" --video_path="$scratch/one.avi" --views=3x2
printf '[]' >"$scratch/labels.json"
refuses 2 "0 class names, MODEL.num_classes is 5" predict --weights="$scratch/w.safetensors" \
    --video_path="$scratch/one.avi" --set INFER.kinetics_labels="$scratch/labels.json"
printf '%s\n%s 1\n' "$scratch/one.avi" "$scratch/one.avi" >"$scratch/mixed"
refuses 2 "mixed:2: 2 columns where lines before have 1" predict --weights="$scratch/w.safetensors" --filelist="$scratch/mixed"
: >"$scratch/nothing"
refuses 2 "an empty list" predict --weights="$scratch/w.safetensors" --filelist="$scratch/nothing"
printf 'MODEL:\n  width: 4\n  widht: 5\n' >"$scratch/bad.yaml"
refuses 2 "bad.yaml:3: unknown key MODEL.widht; the nearest is width" info --config="$scratch/bad.yaml"

# What is no regular file is refused at once; odd names work.
clip() { refuses "$1" "$2" clip --video_path="$3" --temporal=0 --spatial=0 --output="$scratch/x.npy"; }
mkdir "$scratch/dir.mp4"
mkfifo "$scratch/fifo.mp4"
ln -s loop.mp4 "$scratch/loop.mp4"
ln -s nowhere "$scratch/dangling.mp4"
cp "$scratch/one.avi" "$scratch/secret.avi"
chmod 000 "$scratch/secret.avi"
clip 1 "dir.mp4: is a folder, want a file" "$scratch/dir.mp4"
clip 1 "fifo.mp4: is no regular file" "$scratch/fifo.mp4"
clip 1 "loop.mp4: Too many levels of symbolic links" "$scratch/loop.mp4"
clip 1 "dangling.mp4: No such file or directory" "$scratch/dangling.mp4"
clip 1 "is no regular file" /dev/zero
test "$(id -u)" = 0 || clip 1 "secret.avi: Permission denied" "$scratch/secret.avi"
for name in '-dash.avi' 'quote"s and $(id).avi' "$(printf 'new\nline.avi')" "$(printf 'no-utf8-\377.avi')"; do
    cp "$scratch/one.avi" "$scratch/$name"
    holds "$program" clip --video_path="$scratch/$name" --temporal=0 --spatial=0 --output="$scratch/odd.npy"
    (cd "$scratch" && holds "$program" predict --weights=w.safetensors --views=1x1 --json=odd.json -- "$name" &&
        holds test "$(wc -l <odd.json)" = 1)
done
cp "$scratch/text.mp4" "$scratch/$(printf 'bad\nname.avi')"
clip 1 'bad\nname.avi' "$scratch/$(printf 'bad\nname.avi')"

# What memory does not suffice for is known before anything is allocated.
huge="--set INFER.crop_size=1024 --set INFER.jitter_scales=[1024,1024] --set TEST.crop_size=1024
      --set TEST.jitter_scales=[1024,1024]"
printf '%s 1\n' "$scratch/one.avi" >"$scratch/labelled"
for clips in "bench --mode=block --shape=512,16,28,28 --batch=65536" \
    "bench --mode=block --shape=512,16,28,28 --batch=65536 --backward" \
    "bench --crop=224 --batch=65536" "bench --mode=train --batch=65536" "info --batch=65536 --crop=224 --backend=cpu"; do
    # shellcheck disable=SC2086
    refuses 2 " fit: --batch=" $clips
done
# shellcheck disable=SC2086
refuses 2 "65536 clips at a time need " predict --weights="$scratch/w.safetensors" $huge --batch_size=65536 "$scratch/one.avi"
# shellcheck disable=SC2086
refuses 2 " fit: --batch_size=" eval --weights="$scratch/w.safetensors" $huge --batch_size=65536 \
    --filelist="$scratch/labelled" --save_dir="$scratch/evaluated"
holds test ! -e "$scratch/evaluated"
refuses 2 "a single clip needs " bench --mode=block --shape=512,64,10000,10000
holds "$program" predict "$scratch/one.avi" --weights="$scratch/w.safetensors" --views=1x1 --batch_size=1

# Under ulimit -v the program neither hangs nor crashes: the batch that it names runs.
limited() { (ulimit -v "$1" && shift && exec timeout 60 "$program" "$@"); }
if (ulimit -v 400000) 2>/dev/null && limited 2000000 --version >/dev/null 2>&1; then
    holds limited 400000 --version
    for mode in infer train "block --shape=64,4,14,14"; do
        # shellcheck disable=SC2086
        set -- bench --mode=$mode $narrow --set INFER.video_length=4 --set TRAIN.video_length=4 --repeat=1 --threads=1
        limited 700000 "$@" --batch=60000 >"$scratch/out" 2>"$scratch/err" || :
        fits=$(sed -n 's/.* fit: --batch=//p' "$scratch/err")
        holds limited 700000 "$@" --batch="${fits:-0}"
        limited 400000 "$@" --batch=1 >"$scratch/said" 2>&1 || :
        holds grep -q 'a single clip needs \|"ms_min"' "$scratch/said"
    done
else
    echo "skip: ulimit -v leaves too little for the program itself"
fi

# A weights file on its way to a full or missing place leaves nothing behind.
refuses 1 "No such file" init --to="$scratch/none/w.safetensors"
test ! -w /dev/full || refuses 1 "No space left" init --to=/dev/full

# OpenBLAS that does not know the processor multiplies with what it has nevertheless.
if grep -qw avx2 /proc/cpuinfo; then
    core=$(env -u OPENBLAS_CORETYPE OPENBLAS_VERBOSE=2 "$program" --version 2>&1 | sed -n 's/^Core: //p' | tail -n 1)
    holds test "$core" != Prescott
    core=$(OPENBLAS_CORETYPE=Nehalem OPENBLAS_VERBOSE=2 "$program" --version 2>&1 | sed -n 's/^Core: //p' | tail -n 1)
    case $core in '' | Nehalem) ok ;; *) wrong "OPENBLAS_CORETYPE=Nehalem became $core" ;; esac
fi

# AMX serves F32 but where threads have too little stack for it; then the vector kernels do.
served() { "$program" info --backend=cpu --config="$(dirname "$0")/../configs/nonlocal.yaml" | grep -c amx_x3 || :; }
if grep -qw amx_bf16 /proc/cpuinfo && test "$(ulimit -s)" = 8192; then
    holds test "$(OMP_STACKSIZE=1M GOMP_STACKSIZE=1024 served)" -gt 0
    holds test "$(OMP_STACKSIZE=' 400 k' served)" = 0
    holds test "$(GOMP_STACKSIZE=400 served)" = 0
else
    echo "skip: this processor has no AMX, or stacks are not of the usual 8 MiB"
fi

echo "check-cli: $passed passed, $bad failed"
test "$bad" = 0
