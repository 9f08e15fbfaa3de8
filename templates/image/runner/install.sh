#!/bin/sh
# Runs as root in a stage of a build that is thrown away, and leaves two root file systems: /packmill-root/runner, the
# runner in a Python environment of its own with a kernel beside it, and /packmill-root/staging, what it needs to move data.
# RUNNER_PYTHON is the path of the Python that runs it (empty: one is fetched); KERNEL_PYTHON the Python that lacks a kernel
# (empty: none does), and KERNEL_NAME what it is called where the kernel will start. The same Pythons give the same files, whatever else the environment holds.
set -eu
here=/tmp/packmill
top=/opt/packmill
export UV_CACHE_DIR=/tmp/packmill-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_INSTALL_DIR=$top/python
[ -s "$here/ca-certificates.crt" ] && export SSL_CERT_FILE="$here/ca-certificates.crt"
umask 022

version_of() { "$1" -I -c 'import sys; print(sys.implementation.cache_tag)'; }
# The names of the packages that are in folders, as lock files write them.
installed_in() { find "$@" -maxdepth 1 -name '*.dist-info' | sed 's|.*/||; s|-.*||' | tr '_.A-Z' '--a-z'; }
# The lines of a lock file whose packages are not in these folders. A name in another lock file would not do: cffi is in
# the runner's for PyPy alone.
missing_of() { # LOCK FOLDER...
    lock=$1 && shift
    { [ $# = 0 ] || installed_in "$@"; } | awk -F '==' 'FILENAME != ARGV[2] { seen[$1]; next } !($1 in seen)' - "$lock"
}
install_into() { # FOLDER PYTHON LOCK
    "$here/uv" pip install --quiet --no-deps --python "$2" --target "$1" --requirement "$3"
}
compile() { "$1" -I -S -m compileall -q -j 0 "$2" > /dev/null || true; }
settle() { find "$1" -exec touch -h -d @315532800 {} +; }

"$here/uv" venv --quiet --python "${RUNNER_PYTHON:->=3.10}" $top
python=$top/bin/python
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cd "$(mktemp -d)"
shared=
if [ -n "$KERNEL_PYTHON" ]; then
    kernel=$top/kernel
    install_into $kernel/lib "$KERNEL_PYTHON" "$here/kernel.txt"
    mkdir -p $kernel/share/jupyter/kernels/python3
    cp "$here/kernel.py" $kernel/kernel.py
    printf '{"argv": ["%s", "%s", "-f", "{connection_file}"], "display_name": "Python 3", "language": "python"}\n' \
        "$KERNEL_NAME" $kernel/kernel.py > $kernel/share/jupyter/kernels/python3/kernel.json
    # A kernel of the same Python is part of the runner's path too: what both need is there once.
    if [ "$(version_of "$KERNEL_PYTHON")" = "$(version_of "$python")" ]; then
        shared=$kernel/lib
        echo $shared > "$site/packmill.pth"
    fi
fi
missing_of "$here/runner.txt" $shared > runner.txt
"$here/uv" pip install --quiet --no-deps --python "$python" --requirement runner.txt
missing_of "$here/staging.txt" "$site" $shared > staging.txt
install_into $top/staging/lib "$python" staging.txt
echo $top/staging/lib >> "$site/packmill.pth"
cp -R "$here/generator" "$site/generator"
install -m 755 "$here/packmill-runner" "$here/packmill-entrypoint" $top/bin/

# What no run reads: tests and headers, notes of installers, services that staging does not ask, programs of packages.
find $top -type d \( -name tests -o -name test \) -path '*/lib/*' -prune -exec rm -rf {} +
for data in botocore boto3; do
    find $top/staging/lib/$data/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} +
done
"$python" -I -B "$here/endpoints.py" $top/staging/lib/botocore/data/endpoints.json s3 sts portal.sso oidc signin
for folder in "$site" $top/kernel/lib $top/staging/lib; do
    if [ -d "$folder" ]; then
        # shellcheck disable=SC2046 # they are patterns of this folder
        (cd "$folder" && rm -rf -- $(grep -v '^#' "$here/unused.txt"))
    fi
done
find $top -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -path '*.dist-info/RECORD' -o -name INSTALLER \
    -o -name REQUESTED -o -name direct_url.json -o -name uv_cache.json -o -name .lock -o -name CACHEDIR.TAG \
    -o -name .gitignore -o -name 'activate*' -o -name deactivate.bat \) -delete
rm -rf $top/kernel/lib/bin $top/staging/lib/bin $top/share/jupyter/labextensions $top/share/man
find $top/share/jupyter/nbconvert/templates -mindepth 1 -maxdepth 1 ! -name base ! -name lab -exec rm -rf {} +
find $top/bin -type f ! -name 'python*' ! -name 'packmill-*' -delete
# Compiled now, because the users that run an image seldom may write there, and from files whose times stay as they are.
# Isolated and without site: nothing that a package wants to run at a start of Python runs here.
settle $top
compile "$python" "$site"
compile "$python" $top/staging/lib
if [ -n "$KERNEL_PYTHON" ]; then
    compile "$KERNEL_PYTHON" $top/kernel/lib
    compile "$KERNEL_PYTHON" "$site/generator/runner/kernel_modules"
fi
# A package that lost what it needs is noticed here, not in somebody's run.
"$python" -I -B -c 'import boto3.s3.transfer, fsspec.implementations.sftp, obstore.fsspec, paramiko, pystac'
if [ -n "$KERNEL_PYTHON" ]; then
    "$KERNEL_PYTHON" -I -S -B -c 'import sys; sys.path.append(sys.argv[1]); import ipykernel.kernelapp, IPython' "$kernel/lib"
fi
# Of pygments' five hundred languages the bytecode of those that notebooks are shown in.
find $top -path '*/pygments/lexers/__pycache__/*' -type f ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' \
    ! -name 'shell.*' ! -name 'r.*' ! -name 'julia.*' ! -name 'markup.*' ! -name 'html.*' ! -name 'special.*' -delete

mkdir -p /packmill-root/runner/usr/local/bin /packmill-root/runner/opt /packmill-root/staging$top
ln -s $top/bin/packmill-runner /packmill-root/runner/usr/local/bin/packmill-runner
mv $top/staging /packmill-root/staging$top/
# An image of a process has the runner without staging.
"$python" -I -B -c 'import jinja2, nbconvert, papermill.execute, papermill.iorw, requests, yaml, generator.runner.cli'
mv $top /packmill-root/runner/opt/
chmod -R a+rX /packmill-root
settle /packmill-root
