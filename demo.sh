#!/bin/sh
# demo.sh [--no-install]: from a fresh clone to a trained network. Installs the Debian packages that
# are missing (not with --no-install), builds in ./build, and there makes a set of small videos, trains
# a narrow network on them with and without non-local blocks, evaluates and predicts (minutes). Then it
# classifies a clip with the full-size network of configs/nonlocal.yaml and seeded weights.
set -eu
cd "$(dirname "$0")"
case ${1-} in
'') scripts/install-deps.sh ;;
--no-install) ;;
*)
    echo "usage: demo.sh [--no-install]" >&2
    exit 2
    ;;
esac

scripts/build.sh build

rm -rf build/demo/small # of an earlier run
build/nonlocal demo --save_dir=build/demo/small

echo
echo "And the full-size network, with weights that are random numbers:"
demo=build/demo
mkdir -p "$demo"
ffmpeg -nostdin -loglevel error -y -f lavfi -i testsrc2=size=340x256:rate=25:duration=10 \
    -c:v mpeg4 -q:v 3 "$demo/clip.mp4"
build/nonlocal init --config=configs/nonlocal.yaml --to="$demo/weights.safetensors" --seed=1
build/nonlocal predict --weights="$demo/weights.safetensors" --infer_topk=5 "$demo/clip.mp4"

cat <<TEXT

The classes above mean nothing: these weights are random numbers, and the clip is a test pattern.
What was shown is that everything works, from the video file to the probabilities. With trained
weights (docs/weights.md) the same command classifies your own videos:

    build/nonlocal predict --weights=WEIGHTS VIDEO...
TEXT
