#!/bin/sh
# Runs as root in a build stage that the image does not keep, and writes three root file systems: /packmill-root/runner with
# the runner in a Python environment of its own and a kernel, /packmill-root/staging with the packages to move data, and
# /packmill-root/server with the runner's HTTP server, its packages and an empty folder for its data.
# RUNNER_PYTHON is the path of the Python that runs the runner (empty: download one); KERNEL_PYTHON the Python that needs a
# kernel (empty: none does), and KERNEL_NAME its command where the kernel will start. The files depend on the Pythons alone.
# If KERNEL_GATEWAY is set, /packmill-root/gateway has the Jupyter Kernel Gateway.
set -eu
here=/tmp/packmill
top=/opt/packmill
export UV_CACHE_DIR=/tmp/packmill-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1 UV_PYTHON_INSTALL_DIR=$top/python
[ -s "$here/ca-certificates.crt" ] && export SSL_CERT_FILE="$here/ca-certificates.crt"
umask 022

version_of() { "$1" -I -c 'import sys; print(sys.implementation.cache_tag)'; }
# The names of the packages in folders, as lock files write them.
installed_in() { find "$@" -maxdepth 1 -name '*.dist-info' | sed 's|.*/||; s|-.*||' | tr '_.A-Z' '--a-z'; }
# The packages of a lock file that are missing in these folders, with their digests in the lines that follow. Comparing lock
# files would not be enough: cffi is in the runner's for PyPy alone.
missing_of() { # LOCK FOLDER...
    lock=$1 && shift
    { [ $# = 0 ] || installed_in "$@"; } | awk -F '==' 'FILENAME != ARGV[2] { seen[$1]; next } /^[^ ]/ { missing = !($1 in seen) } missing' - "$lock"
}
install_into() { # FOLDER PYTHON LOCK
    "$here/uv" pip install --quiet --no-deps --require-hashes --python "$2" --target "$1" --requirement "$3"
}
# The packages of the second lock file that the first has in the same version.
common_of() { awk 'FILENAME == ARGV[1] { if (/^[^ ]/) seen[$0]; next } /^[^ ]/ { common = $0 in seen } common' "$1" "$2"; }
# Services of AWS other than S3, unless they are removed already.
trim_aws() { # FOLDER
    [ -d "$1/botocore/data/ec2" ] || return 0
    find "$1/botocore/data" "$1/boto3/data" -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} +
    "$python" -I -B "$here/endpoints.py" "$1/botocore/data/endpoints.json" s3 sts portal.sso oidc signin
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
    # If both are of the same Python, the kernel's packages are on the runner's path too, so that common ones exist once.
    if [ "$(version_of "$KERNEL_PYTHON")" = "$(version_of "$python")" ]; then
        shared=$kernel/lib
        echo $shared > "$site/packmill.pth"
    fi
fi
missing_of "$here/runner.txt" $shared > runner.txt
"$here/uv" pip install --quiet --no-deps --require-hashes --python "$python" --requirement runner.txt
missing_of "$here/staging.txt" "$site" $shared > staging.txt
# generator.runner.server puts this folder on the path, so that no other command searches it.
missing_of "$here/server.txt" "$site" $shared > server.txt
# Packages of both are installed once and copied without the services of AWS other than S3, which are most of their files.
common_of server.txt staging.txt > both.txt
install_into $top/staging/lib "$python" both.txt
trim_aws $top/staging/lib
mkdir $top/server
cp -R $top/staging/lib $top/server/lib
missing_of staging.txt $top/staging/lib > staging-alone.txt
install_into $top/staging/lib "$python" staging-alone.txt
trim_aws $top/staging/lib
echo $top/staging/lib >> "$site/packmill.pth"
missing_of server.txt $top/server/lib > server-alone.txt
install_into $top/server/lib "$python" server-alone.txt
trim_aws $top/server/lib
gateway=$top/gateway/lib
if [ -n "$KERNEL_GATEWAY" ]; then
    missing_of "$here/gateway.txt" "$site" $shared $top/server/lib > gateway.txt
    install_into $gateway "$python" gateway.txt
    # what is removed below as no run's, where the rest of the package is
    websocket=$("$python" -I -c 'import tornado; print(tornado.__path__[0])')/websocket.py
    mkdir -p "/packmill-root/gateway${websocket%/*}"
    cp "$websocket" "/packmill-root/gateway$websocket"
fi
cp -R "$here/generator" "$site/generator"
install -m 755 "$here/packmill-runner" "$here/packmill-entrypoint" "$here/packmill-launch" $top/bin/

# Remove what no run reads: tests, headers, notes of installers, programs of packages.
find $top -type d \( -name tests -o -name test \) -path '*/lib/*' -prune -exec rm -rf {} +
for folder in "$site" $top/kernel/lib $top/staging/lib $top/server/lib $gateway; do
    if [ -d "$folder" ]; then
        # shellcheck disable=SC2046 # the words are patterns in this folder
        (cd "$folder" && rm -rf -- $(grep -v '^#' "$here/unused.txt"))
    fi
done
find $top -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -path '*.dist-info/RECORD' -o -name INSTALLER \
    -o -name REQUESTED -o -name direct_url.json -o -name uv_cache.json -o -name .lock -o -name CACHEDIR.TAG \
    -o -name .gitignore -o -name 'activate*' -o -name deactivate.bat \) -delete
rm -rf $top/etc/jupyter $top/kernel/lib/bin $top/staging/lib/bin $top/server/lib/bin $top/gateway/lib/bin $top/share/jupyter/labextensions $top/share/man
find $top/share/jupyter/nbconvert/templates -mindepth 1 -maxdepth 1 ! -name base ! -name lab -exec rm -rf {} +
find $top/bin -type f ! -name 'python*' ! -name 'packmill-*' -delete
# Compile now, because users of an image rarely have write access, and from files whose times do not change afterwards.
# Isolated and without site, so that no package runs code at Python's start.
settle $top
compile "$python" "$site"
compile "$python" $top/staging/lib
compile "$python" $top/server/lib
[ ! -d $gateway ] || compile "$python" $gateway
if [ -n "$KERNEL_PYTHON" ]; then
    compile "$KERNEL_PYTHON" $top/kernel/lib
    compile "$KERNEL_PYTHON" "$site/generator/runner/kernel_modules"
fi
# Check that no package lost files that it needs.
"$python" -I -B -c 'import boto3.s3.transfer, fsspec.implementations.sftp, obstore.fsspec, paramiko'
"$python" -I -B -c 'import generator.runner.server.serve, boto3.s3.transfer, prometheus_client, python_multipart'
if [ -d $gateway ]; then
    "$python" -I -B -c 'import sys, tornado; tornado.__path__.append(sys.argv[1]); import generator.runner.server.gateway.websocket.serve' \
        "/packmill-root/gateway${websocket%/*}"
fi
if [ -n "$KERNEL_PYTHON" ]; then
    "$KERNEL_PYTHON" -I -S -B -c 'import sys; sys.path.append(sys.argv[1]); import ipykernel.kernelapp, IPython' "$kernel/lib"
fi
# Of pygments' five hundred languages, keep the bytecode of those in notebooks.
find $top -path '*/pygments/lexers/__pycache__/*' -type f ! -name '__init__.*' ! -name '_mapping.*' ! -name 'python.*' \
    ! -name 'shell.*' ! -name 'r.*' ! -name 'julia.*' ! -name 'markup.*' ! -name 'html.*' ! -name 'special.*' -delete

mkdir -p /packmill-root/runner/usr/local/bin /packmill-root/runner/opt /packmill-root/staging$top
ln -s $top/bin/packmill-runner /packmill-root/runner/usr/local/bin/packmill-runner
mv $top/staging /packmill-root/staging$top/
mkdir -p "/packmill-root/server$site/generator/runner" /packmill-root/server/var/lib/packmill
mv $top/server /packmill-root/server$top/
if [ -d $top/gateway ]; then
    mkdir -p /packmill-root/gateway$top
    mv $top/gateway /packmill-root/gateway$top/
fi
mv "$site/generator/runner/server" "/packmill-root/server$site/generator/runner/"
# Check that the runner works without the packages of staging and of the server: some images lack them.
"$python" -I -B -c 'import jinja2, nbconvert, papermill.execute, papermill.iorw, pystac, requests, yaml, generator.runner.cli'
# shellcheck disable=SC2016 # the backticks are Markdown
"$python" -I -B -c 'from generator.notebook.text_formats import as_notebook as read; read(b"# %%\n1\n", "a.py"); read(b"```{code-cell}\n1\n```\n", "a.md")'
mv $top /packmill-root/runner/opt/
chmod -R a+rX /packmill-root
chmod 1777 /packmill-root/server/var/lib/packmill # for any user; a named volume that is mounted here gets the mode
settle /packmill-root
