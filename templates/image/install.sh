#!/bin/sh
# Runs as root while the image is built: the runner under /opt/packmill, with a Python environment of its own. The
# user's environment is looked at and never changed.
set -eu
here=/tmp/packmill
export UV_CACHE_DIR=/tmp/packmill-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_INSTALL_DIR=/opt/packmill/python
[ -s "$here/ca-certificates.crt" ] && export SSL_CERT_FILE="$here/ca-certificates.crt"
umask 022

"$here/uv" venv --quiet --python '>=3.10' /opt/packmill
"$here/uv" pip install --quiet --python /opt/packmill/bin/python --requirement "$here/runner.txt"
site=$(/opt/packmill/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Of botocore's descriptions of services only those that staging asks.
find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} +
cp -R "$here/generator" "$site/generator"
# Compiled now, because the users that run an image seldom may write there; the kernel's Python differs from the runner's.
/opt/packmill/bin/python -m compileall -q "$site" > /dev/null || true

# A Python that has no kernel gets one from beside itself: its own packages stay as they are and go first.
python=$(command -v python3 || command -v python || true)
[ -z "$python" ] || "$python" -m compileall -q "$site/generator/runner/kernel_modules" > /dev/null || true
if [ -n "$python" ] && ! "$python" -c 'import ipykernel' 2> /dev/null; then
    "$here/uv" pip install --quiet --python "$python" --target /opt/packmill/kernel/lib --requirement "$here/kernel.txt"
    "$python" -m compileall -q /opt/packmill/kernel/lib > /dev/null || true
    mkdir -p /opt/packmill/kernel/share/jupyter/kernels/python3
    cp "$here/kernel.py" /opt/packmill/kernel/kernel.py
    "$python" - "$python" > /opt/packmill/kernel/share/jupyter/kernels/python3/kernel.json << 'KERNEL'
import json, sys
argv = [sys.argv[1], "/opt/packmill/kernel/kernel.py", "-f", "{connection_file}"]
print(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}, indent=1))
KERNEL
fi

install -m 755 "$here/packmill-runner" "$here/packmill-entrypoint" /opt/packmill/bin/
mkdir -p /usr/local/bin
ln -sf /opt/packmill/bin/packmill-runner /usr/local/bin/packmill-runner
chmod -R a+rX /opt/packmill
