#!/usr/bin/env bash
# gnuplot_kernel 0.5.0 cuts a line of a cell after 4095 bytes: a long text loses its end without a message.
#
# The kernel types each line into gnuplot's terminal, whose line discipline keeps 4095 bytes of one line and drops the
# rest with the closing quote. The reply is "ok". The text also takes in the kernel's own next command,
# "unset output". The script gives the kernel a text of 6000 characters by jupyter_client and prints how many of them
# gnuplot has.
set -euo pipefail
command -v gnuplot > /dev/null || { echo "gnuplot is not installed (Debian: gnuplot-nox)" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check gnuplot-kernel==0.5.0 metakernel==0.32.0 jupyter-client==8.10.0 2> /dev/null
export PATH="$folder/venv/bin:$PATH" HOME="$folder"
python -m gnuplot_kernel install --sys-prefix > /dev/null 2>&1

python - << 'PYTHON'
import sys

from jupyter_client.manager import start_new_kernel

manager, client = start_new_kernel(kernel_name="gnuplot")
output = []
try:
    for code in ('text = "' + "x" * 6000 + '"', "print strlen(text), ' ', text[4086:]"):
        reply = client.execute_interactive(
            code, timeout=30, allow_stdin=False, output_hook=lambda message: output.append(message["content"])
        )
        print(f"reply: {reply['content']['status']}")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
text = "".join(str(content.get("data", {}).get("text/plain", content.get("text", ""))) for content in output)
length, end = text.strip().splitlines()[-1].split(maxsplit=1)
print(f"gnuplot has {length} characters of 6000; they end in {end!r}")
if (length, end) != ("4099", "xxunset output"):
    sys.exit("changed: 4087 characters arrived before, followed by 'unset output'")
PYTHON
