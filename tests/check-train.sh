#!/bin/sh
# check-train.sh: training from the command line: what is written, going on after an interruption,
# bad input. Clips are cut from a made video, networks are narrow.
set -u
program=${NL_PROGRAM:?}
maker=${NL_CLIPMAKER:-$(pwd)/tests/clipmaker}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
replace= # "exec" where the program shall take the place of a shell that is killed

fail() {
    echo "FAILED: $*"
    failed=1
}

"$maker" "$folder/v.mp4" 96 80 64 || exit 1
narrow="--set MODEL.width=4 --set MODEL.num_classes=3 --set TRAIN.crop_size=32
 --set TRAIN.video_length=4 --set VALID.video_length=4 --set INFER.video_length=4
 --set INFER.crop_size=32 --set INFER.jitter_scales=[32,32] --set VALID.crop_size=32
 --set TRAIN.batch_size=4 --set TRAIN.num_gpus=2 --set VALID.batch_size=4
 --set TRAIN.num_reader_threads=2 --set VALID.num_reader_threads=2"
for i in 0 1 2 3 4 5 6 7 8 9; do
    # shellcheck disable=SC2086
    "$program" clip $narrow --video_path="$folder/v.mp4" --temporal=$i --spatial=$((i % 3)) \
        --output="$folder/$i.npy" || exit 1
    echo "$folder/$i.npy $((i % 3))" >>"$folder/list.txt"
done

# train FOLDER [FLAG...]
train() {
    into=$1
    shift
    # shellcheck disable=SC2086
    $replace "$program" train $narrow --set TRAIN.filelist="$folder/list.txt" --epoch=3 --seed=5 \
        --set VALID.filelist="$folder/list.txt" --save_dir="$into" --learning_rate=0.01 "$@" \
        >>"$folder/log" 2>&1
}

# The numbers of a checkpoint, without its header, which says what the run was told.
tensors() {
    header=$(od -An -tu8 -N8 "$1" | tr -d ' ')
    tail -c +$((header + 9)) "$1" >"$1.bare"
}

same() {
    tensors "$1/NONLOCAL.safetensors" && tensors "$2/NONLOCAL.safetensors"
    cmp -s "$1/NONLOCAL.safetensors.bare" "$2/NONLOCAL.safetensors.bare" || fail "$3"
}

train "$folder/straight" || { cat "$folder/log"; fail "training exits $?"; }
for name in NONLOCAL NONLOCAL_best NONLOCAL_epoch0 NONLOCAL_epoch1 NONLOCAL_epoch2; do
    test -s "$folder/straight/$name.safetensors" || fail "no $name.safetensors"
done
steps=$(grep -c '"loss"' "$folder/straight/train.jsonl")
test "$steps" = 6 || fail "$steps lines with a loss, want 6"
grep -q '"sha256"' "$folder/straight/manifest.json" || fail "the manifest lacks hashes"

# Killed at five places, a run goes on and ends with the same bits.
for delay in 0.15 0.3 0.45 0.6 0.8; do
    (replace=exec train "$folder/killed" --save_steps=1 --resume="$folder/killed") &
    sleep $delay
    kill -9 $! 2>/dev/null
    wait $! 2>/dev/null
    mkdir -p "$folder/killed"
done
train "$folder/killed" --save_steps=1 --resume="$folder/killed" ||
    fail "resuming after kills exits $?"
same "$folder/straight" "$folder/killed" "a killed and resumed run differs"
for key in '"loss"' '"valid_loss"' '"mean_loss"'; do
    test "$(grep -c "$key" "$folder/killed/train.jsonl")" = \
        "$(grep -c "$key" "$folder/straight/train.jsonl")" || fail "lines with $key of killed steps stayed"
done
test -z "$(find "$folder/killed" -name '*.tmp')" || fail "kills left temporary files"

# So does one in double precision, momenta included.
wide="--epoch=2 --precision=f64 --backend=ref --valid_interval=0"
# shellcheck disable=SC2086
{
    train "$folder/wide" $wide
    train "$folder/parts" $wide --epoch=1
    train "$folder/parts" $wide --resume="$folder/parts"
}
same "$folder/wide" "$folder/parts" "a resumed run in double precision differs"

# A run keeps its seed, and says so.
: >"$folder/log"
train "$folder/straight" --resume="$folder/straight" --seed=6 || fail "another seed: exit $?"
grep -q 'seed 6 has no effect; the run goes on with its own, 5$' "$folder/log" ||
    fail "it does not say which seed it has"

# Threads change no bits.
train "$folder/threads" --threads=1 --set TRAIN.num_reader_threads=4
same "$folder/straight" "$folder/threads" "threads change the result"

# In BF16 too, and its checkpoint, F32 as any, is one that F32 goes on from.
train "$folder/half" --precision=bf16 || fail "training in bf16 exits $?"
train "$folder/half1" --precision=bf16 --threads=1 --set TRAIN.num_reader_threads=4
same "$folder/half" "$folder/half1" "threads change the result in bf16"
cmp -s "$folder/half/NONLOCAL.safetensors.bare" "$folder/straight/NONLOCAL.safetensors.bare" &&
    fail "bf16 gives the bits of f32"
test "$(wc -c <"$folder/half/NONLOCAL.safetensors.bare")" = \
    "$(wc -c <"$folder/straight/NONLOCAL.safetensors.bare")" || fail "bf16 changes the file"
train "$folder/on" --epoch=1 --precision=f32 --resume="$folder/half/NONLOCAL.safetensors" ||
    fail "f32 does not go on from a checkpoint of bf16"

# Ctrl-C saves, says how to go on, exits with 130.
(replace=exec train "$folder/stopped" --epoch=200) &
sleep 0.6
kill -INT $!
wait $!
status=$?
test $status = 130 || fail "interrupted: exit $status"
test -s "$folder/stopped/NONLOCAL_last.safetensors" || fail "interrupted: nothing saved"
tail -1 "$folder/log" | grep -q -- '--resume=' || fail "interrupted: does not say how to go on"

# In an epoch's end too, which is done again.
for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
    ln "$folder/v.mp4" "$folder/long$i.mp4"
    echo "$folder/long$i.mp4 $((i % 3))" >>"$folder/long.txt"
done
for batches in 0 4; do
    long="--epoch=1 --set VALID.filelist=$folder/long.txt --set TRAIN.precise_bn=$batches
 --set VALID.crop_size=160 --set VALID.jitter_scales=[160,160] --set VALID.video_length=32
 --set VALID.sample_rate=1"
    # shellcheck disable=SC2086
    train "$folder/whole$batches" $long || fail "a long validation: exit $?"
    : >"$folder/log"
    # shellcheck disable=SC2086
    (replace=exec train "$folder/ended$batches" $long) &
    until grep -q 'Epoch 0 training finished' "$folder/log"; do sleep 0.01; done
    kill -INT $!
    wait $!
    status=$?
    test $status = 130 || fail "interrupted in an epoch's end: exit $status"
    tail -1 "$folder/log" | grep -q -- '--resume=' || fail "an epoch's end: does not say how to go on"
    test ! -e "$folder/ended$batches/NONLOCAL_epoch0.safetensors" || fail "an epoch without its end"
    # shellcheck disable=SC2086
    train "$folder/ended$batches" $long --resume="$folder/ended$batches" ||
        fail "an epoch's end cannot be done again"
    same "$folder/whole$batches" "$folder/ended$batches" "an epoch's end done again differs"
    for key in '"loss"' '"valid_loss"' '"mean_loss"'; do
        grep "$key" "$folder/ended$batches/train.jsonl" | sed 's/,"clips_per_s.*//' >"$folder/one"
        grep "$key" "$folder/whole$batches/train.jsonl" | sed 's/,"clips_per_s.*//' >"$folder/two"
        cmp -s "$folder/one" "$folder/two" || fail "an epoch's end done again has other $key"
    done
done

# The curves of what a checkpoint holds outlive a kill; a run does not flush them by itself so soon.
(replace=exec train "$folder/curves" --set TRAIN.batch_size=2 --save_steps=1 --epoch=200) &
until test -s "$folder/curves/NONLOCAL_last.safetensors"; do sleep 0.01; done
kill -9 $!
wait $! 2>/dev/null
grep -q 'train/loss' "$folder"/curves/events.out.tfevents.* || fail "a kill lost the curves"

# refused STATUS WORDS [FLAG...]: one line with these words
refused() {
    want=$1 words=$2
    shift 2
    : >"$folder/log"
    train "$folder/refused" "$@"
    status=$?
    test $status = "$want" || fail "$words: exit $status, want $want"
    grep '^nonlocal train: ' "$folder/log" | grep -q -- "$words" ||
        { fail "no line with \"$words\":"; cat "$folder/log"; }
}

# What flags ask for is refused in one line, before a seed is drawn or a folder made.
for flag in --backend=tpu --nl_impl=nothing; do
    for way in "--pairwise=dot" "--resume=$folder/none"; do
        mkdir -p "$folder/none"
        # shellcheck disable=SC2086
        "$program" train $narrow --set TRAIN.filelist="$folder/list.txt" --valid_interval=0 $flag "$way" \
            --save_dir="$folder/refused" >"$folder/log" 2>&1
        test $? = 2 && test "$(wc -l <"$folder/log")" = 1 || { fail "$flag $way: want one line:"; cat "$folder/log"; }
    done
done

sed 's/ 2$/ 3/; s/ 1$/ 2/; s/ 0$/ 1/' "$folder/list.txt" >"$folder/from1.txt"
refused 2 'seems to count from 1' --set TRAIN.filelist="$folder/from1.txt"
{ cat "$folder/list.txt"; head -1 "$folder/list.txt"; } >"$folder/twice.txt"
refused 2 'is in line 1 already$' --set TRAIN.filelist="$folder/twice.txt"
ln -s 0.npy "$folder/link.npy"
for other in "$folder/./0.npy" "$folder/link.npy"; do
    { cat "$folder/list.txt"; echo "$other 0"; } >"$folder/twice.txt"
    refused 2 "$other is in line 1 already, as $folder/0.npy$" --set TRAIN.filelist="$folder/twice.txt"
done
: >"$folder/empty.txt"
refused 2 'an empty list' --set TRAIN.filelist="$folder/empty.txt"
refused 1 'No such file' --set TRAIN.filelist="$folder/none.txt"
# A list of this text is refused with these words.
list_refused() {
    printf '%b' "$2" >"$folder/wrong.txt"
    refused 2 "wrong.txt:$1" --set TRAIN.filelist="$folder/wrong.txt"
}
list_refused '2: label 3, want 0 to 2$' 'a.npy 0\nb.npy 3\n'
list_refused '2: label -1, want 0 to 2$' 'a.npy 0\nb.npy -1\n'
list_refused '1: 1 column; want PATH LABEL' 'a.npy\n'
list_refused '1: 3 columns; want PATH' 'a.npy 0 1\n'
list_refused '1: 4 columns; want PATH LABEL' 'a.npy 0 1 2\n'
list_refused '2: 1 columns where lines before have 2' 'a.npy 0\nb.npy x\n'
for rate in nan inf -inf; do
    refused 2 "TRAIN.learning_rate: want a number from 0 to 1000, got \"$rate\"" \
        --learning_rate=$rate
done
printf 'TRAIN:\n  learning_rate: .nan\n' >"$folder/nan.yaml"
refused 2 'nan.yaml:2: TRAIN.learning_rate: want a number' --config="$folder/nan.yaml"
for section in TRAIN VALID; do
    refused 2 "$section.num_reader_threads: want an integer from 1 to 1024, got \"0\"" \
        --set $section.num_reader_threads=0
    refused 2 "$section.crop_size 33 is larger than the short side, 32 ($section.jitter_scales)" \
        --set $section.crop_size=33 --set "$section.jitter_scales=[32, 64]"
done
refused 1 'precise BN runs in f32' --precision=f64 --backend=ref --set TRAIN.precise_bn=2
refused 2 'fewer than one batch' --set TRAIN.batch_size=16
refused 2 'no multiple of TRAIN.num_gpus' --set TRAIN.num_gpus=3
# shellcheck disable=SC2086
{
    "$program" init $narrow --to="$folder/few.safetensors" 2>/dev/null
    "$program" bn-recompute $narrow --weights="$folder/few.safetensors" --to="$folder/precise" \
        --filelist="$folder/list.txt" --set TRAIN.num_gpus=8 >"$folder/log" 2>&1
    test $? = 2 && grep -q 'batch_size 4 is no multiple of TRAIN.num_gpus 8' "$folder/log" ||
        { fail "bn-recompute takes more parts than clips:"; cat "$folder/log"; }
}
refused 2 'video_arc_choice' --resume="$folder/straight/NONLOCAL.safetensors" \
    --set MODEL.video_arc_choice=2
refused 2 'pairwise' --resume="$folder/straight/NONLOCAL.safetensors" --pairwise=gaussian
refused 2 'num_classes' --resume="$folder/straight/NONLOCAL.safetensors" --set MODEL.num_classes=4
: >"$folder/file"
refused 2 'want a folder' --save_dir="$folder/file"
refused 2 'want a folder' --save_dir="$folder/file/below"
refused 2 'a run with TRAIN.learning_rate 0.01, not 0.02; give another --save_dir' \
    --save_dir="$folder/straight" --learning_rate=0.02
sed '1d' "$folder/list.txt" >"$folder/other.txt"
refused 2 'manifest.json: a run over another list than .*/other.txt; give another --save_dir' \
    --save_dir="$folder/straight" --resume="$folder/straight" --set TRAIN.filelist="$folder/other.txt"
refused 2 'a run with TRAIN.num_gpus 2, not 1; give another --save_dir' \
    --save_dir="$folder/straight" --resume="$folder/straight" --set TRAIN.num_gpus=1
sed '4q' "$folder/list.txt" >"$folder/four.txt"
refused 2 '1 steps an epoch, but the checkpoint stands after 2; resume with its list' \
    --resume="$folder/straight/NONLOCAL_last.safetensors" --set TRAIN.filelist="$folder/four.txt"
refused 2 'straight holds checkpoints; --resume=.*/straight goes on, another --save_dir starts' \
    --save_dir="$folder/straight"
test "$(grep -c '"loss"' "$folder/straight/train.jsonl")" = 6 || fail "a refused run cut train.jsonl"
test ! -e "$folder/refused/train.jsonl" || fail "what was refused took a step"

# A choice of blocks where there are none has no effect, which is said; else each block is listed.
none="--set NONLOCAL.conv3_nonlocal=False --set NONLOCAL.conv4_nonlocal=False"
warning='NONLOCAL.pairwise is set, but the network has no non-local block'
printf 'NONLOCAL:\n  pairwise: gaussian\n' >"$folder/gaussian.yaml"
# warnings WANTED [FLAG...]: how many warnings a run without blocks has
warnings() {
    wanted=$1
    shift
    : >"$folder/log"
    # shellcheck disable=SC2086
    train "$folder/none" $none --epoch=1 --valid_interval=0 "$@" || fail "no blocks: exit $?"
    test "$(grep -c "$warning" "$folder/log")" = "$wanted" || fail "not $wanted warnings: $*"
    rm -r "$folder/none"
}
warnings 1 --pairwise=gaussian
warnings 1 --config="$folder/gaussian.yaml"
warnings 0 --config="${NL_CONFIG:?}" --seed=5
: >"$folder/log"
train "$folder/listed" --epoch=1 --valid_interval=0 --pairwise=dot
for place in 3_1 3_3 4_1 4_3 4_5; do
    words="nonlocal_conv$place: dot_product after block ${place#*_} of res${place%_*},"
    grep -q "$words" "$folder/log" || fail "the summary lacks $words"
done
grep -q "$warning" "$folder/log" && fail "a warning of blocks that are there"

# A rate and a decay that overflow within a few steps.
: >"$folder/log"
train "$folder/wild" --epoch=20 --valid_interval=0 --learning_rate=10 --set TRAIN.weight_decay=100
test $? = 1 || fail "a run that is not finite does not exit with 1"
grep '^nonlocal train: ' "$folder/log" | grep -q \
    'is not finite at step [0-9]* (epoch [0-9]*, batch [0-9]*); first in node [a-z]' ||
    { fail "no step, batch and node of what is not finite:"; tail -3 "$folder/log"; }
for kept in "$folder"/wild/NONLOCAL_epoch*.safetensors; do
    train "$folder/tamed" --resume="$kept" --epoch=1 --valid_interval=0 ||
        { fail "the last good checkpoint is not good:"; tail -3 "$folder/log"; }
    rm -r "$folder/tamed"
done

# The node is looked for on the micro-batch that broke, here the first of two.
cp "$folder/0.npy" "$folder/nan.npy"
printf '\000\000\300\177' | dd of="$folder/nan.npy" bs=1 seek=200 conv=notrunc 2>/dev/null
{ echo "$folder/nan.npy 0"; head -3 "$folder/list.txt"; } >"$folder/nan.txt"
: >"$folder/log"
train "$folder/nan" --set TRAIN.filelist="$folder/nan.txt" --set TRAIN.shuffle=False \
    --set TRAIN.flip=False --valid_interval=0
grep -q 'the loss is not finite at step 0 .*; first in node conv1' "$folder/log" ||
    { fail "the node of a clip with NaN is not conv1:"; tail -3 "$folder/log"; }

# Scores of a validation that are not finite stop it too, before anything is kept as best.
: >"$folder/log"
train "$folder/blind" --epoch=20 --learning_rate=10 --set TRAIN.weight_decay=100
test $? = 1 || fail "a validation that is not finite does not exit with 1"
words='validation after step 2 (epoch 0): the scores of .*/[0-9].npy are not finite'
grep -q "^nonlocal train: $words" "$folder/log" ||
    { fail "no clip whose scores are not finite:"; tail -3 "$folder/log"; }
test -s "$folder/blind/NONLOCAL_last.safetensors" || fail "steps before a validation are lost"
for name in best epoch0; do
    test ! -e "$folder/blind/NONLOCAL_$name.safetensors" || fail "NONLOCAL_$name without scores"
done

# A broken video of the validation is replaced, and named as one to train on is.
echo broken >"$folder/broken.npy"
{ echo "$folder/broken.npy 0"; sed 1d "$folder/list.txt"; } >"$folder/broken.txt"
for section in TRAIN VALID; do
    : >"$folder/log"
    train "$folder/broken-$section" --epoch=1 --set TRAIN.max_bad_videos=0.2 \
        --set $section.filelist="$folder/broken.txt" || fail "one broken video: exit $?"
    test "$(grep -c 'replaced: .*/broken.npy' "$folder/log")" = 1 ||
        { fail "a broken video of $section is not named once:"; cat "$folder/log"; }
done

# The log has its lines where the terminal shows only errors, and the terminal its progress.
if command -v script >/dev/null; then
    # shellcheck disable=SC2086
    echo exec "'$program'" train $narrow --epoch=1 --valid_interval=0 --seed=5 \
        --set "'TRAIN.filelist=$folder/list.txt'" --save_dir="'$folder/term'" >"$folder/half.sh"
    SHELL=/bin/sh script -qec "sh '$folder/half.sh' >'$folder/half.out'" /dev/null \
        >"$folder/half.seen" 2>&1 </dev/null
    grep -q '^\[TRAIN .* Epoch 0, iter 0' "$folder/half.out" ||
        { fail "no lines of steps in a log:"; cat "$folder/half.seen"; }
    grep -q 'epoch 0  step 1/2' "$folder/half.seen" || fail "no progress on the terminal"
    grep -q '^\[TRAIN' "$folder/half.seen" && fail "a log's lines on the terminal"
else
    echo "skip: standard error as a terminal: no script(1)"
fi

# Validation needs memory beside the step's, and the forecast counts it.
forecast() {
    : >"$folder/log"
    train "$folder/forecast" --epoch=1 --set TRAIN.max_bad_videos=1 \
        --set VALID.crop_size=96 --set "VALID.jitter_scales=[96, 96]" "$@"
    rm -r "$folder/forecast"
    sed -n 's/^memory: \([0-9]*\) MiB.*/\1/p' "$folder/log"
}
test "$(forecast --valid_interval=1)" -gt "$(forecast --valid_interval=0)" ||
    fail "the forecast leaves out validation"

# A released file has no optimizer state: weights only, one warning.
"$program" init --set MODEL.width=4 --set MODEL.num_classes=3 --set TRAIN.crop_size=32 \
    --to="$folder/weights.safetensors" 2>/dev/null
: >"$folder/log"
train "$folder/fine" --epoch=1 --valid_interval=0 --resume="$folder/weights.safetensors" || fail "fine-tuning fails"
grep -q 'weights only, from epoch 0' "$folder/log" || fail "fine-tuning does not say so"

# --scale_lr does not scale what a checkpoint holds once more.
: >"$folder/log"
train "$folder/scaled" --epoch=1 --scale_lr || fail "--scale_lr fails"
train "$folder/scaled" --epoch=1 --scale_lr --resume="$folder/scaled" || fail "resuming it fails"
grep '^scale_lr' "$folder/log" | sed 's/.*rate \([^ ]*\) .*phase \([0-9]*\) .*/\1 \2/' | uniq |
    grep -c . | grep -qx 1 || { fail "scaled twice:"; grep '^scale_lr' "$folder/log"; }

# Another class count replaces the head; parts can be frozen.
: >"$folder/log"
train "$folder/head" --epoch=1 --pretrain="$folder/straight/NONLOCAL.safetensors" \
    --set MODEL.num_classes=5 --trainable=head || fail "a new head fails"
grep -q 'a new classifier' "$folder/log" || fail "a new head is not said"

test $failed = 0 && echo "train: all of it holds"
exit $failed
