#!/usr/bin/env bash
# The DockerOperator of apache-airflow-providers-docker 4.6.1 removes failed containers with auto_remove="success", too.
#
# It is documented as "remove on success", so that the container of a failed task can be inspected. The operator removes
# it in a "finally" clause: a failed container is gone, with the files in it.
# The script (Python 3.10 to 3.13, and a Docker engine) runs this machine's /bin/false in an image made of it, and lists the
# containers that are left.
set -euo pipefail
version=4.6.1
folder=$(mktemp -d)
image=finding-auto-remove-$$
containers() { docker ps --all --quiet --filter "ancestor=$image"; }
clean() {
    containers | xargs --no-run-if-empty docker rm --force > /dev/null
    docker rmi --force "$image" > /dev/null 2>&1 || true
    rm -rf "$folder"
}
trap clean EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check apache-airflow==3.3.2 "apache-airflow-providers-docker==$version" 2> /dev/null
mapfile -t files < <(ldd /bin/false | grep -o '/[^ )]*')
tar --create --dereference --absolute-names /bin/false "${files[@]}" | docker import - "$image" > /dev/null

cat > ask.py << 'PYTHON'
import sys

from airflow.providers.docker.operators.docker import DockerOperator

mode, image = sys.argv[1:]
operator = DockerOperator(task_id="run", image=image, command=["/bin/false"], auto_remove=mode, mount_tmp_dir=False)
try:
    operator.execute({})
except Exception as error:
    print(f"{mode}:", type(error).__name__)
PYTHON

for mode in never success; do
    AIRFLOW_HOME=$folder/home venv/bin/python ask.py "$mode" "$image" 2> /dev/null | grep "^$mode:" >> found
    echo "$mode: failed containers left: $(containers | wc -l)" >> found
    containers | xargs --no-run-if-empty docker rm --force > /dev/null
done
cat found
cat > expected << 'TEXT'
never: DockerContainerFailedException
never: failed containers left: 1
success: DockerContainerFailedException
success: failed containers left: 0
TEXT
if ! diff expected found; then
    echo "changed: a failed container was removed with auto_remove=\"success\"" >&2
    exit 1
fi
