#!/usr/bin/env bash
# cwltool 3.3.20260925135507 does not ask a tool without a container to end after SIGTERM.
#
# It waits ten seconds for the end of the tool, which gets no signal, and then kills it with SIGKILL. A tool that removes its
# temporary files after SIGTERM leaves them. A supervisor that gives cwltool less than ten seconds, such as
# "timeout --kill-after 5", kills cwltool first: the tool is never ended, and goes on alone.
# The script runs a tool that notes SIGTERM, sends SIGTERM to cwltool, and prints how many seconds that takes, and whether the
# tool was asked to end; then it does so again and kills cwltool after five seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check cwltool==3.3.20260925135507 2> /dev/null

cat > tool.sh << BASH
trap 'touch $folder/asked; exit 1' TERM
echo \$\$ > $folder/pid
for _ in {1..600}; do sleep 0.1; done
BASH
cat > waits.cwl << CWL
cwlVersion: v1.2
class: CommandLineTool
baseCommand: [bash, $folder/tool.sh]
inputs: []
outputs: []
CWL

start() { # cwltool in the background, until the tool runs
    rm -f pid
    venv/bin/cwltool --quiet waits.cwl > /dev/null 2>&1 &
    cwltool=$!
    for _ in {1..300}; do
        [ -s pid ] && return
        sleep 0.1
    done
    echo "the tool did not start" >&2
    exit 1
}

start
began=$SECONDS
kill -TERM "$cwltool"
wait "$cwltool" || true
seconds=$((SECONDS - began))
asked=no
[ -e asked ] && asked=yes
echo "after SIGTERM: cwltool ended after $seconds seconds; the tool was asked to end: $asked"

start
kill -TERM "$cwltool"
sleep 5
kill -KILL "$cwltool"
wait "$cwltool" 2> /dev/null || true
sleep 1
alone=no
if kill -0 "$(cat pid)" 2> /dev/null; then
    alone=yes
    kill -KILL "$(cat pid)"
fi
echo "with SIGKILL five seconds later: the tool goes on alone: $alone"
if [ "$seconds" -lt 9 ] || [ "$seconds" -gt 20 ] || [ "$asked $alone" != "no yes" ]; then
    echo "changed: cwltool ended after ten seconds, the tool was not asked to end, and went on alone" >&2
    exit 1
fi
