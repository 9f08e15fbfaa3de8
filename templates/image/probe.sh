# shellcheck shell=sh
# Finds the Pythons of an environment, in a container of it: one that can run the runner, and one that needs a kernel.
# Prints a line "runner PATH VERSION MACHINE LIBC" and a line "kernel NAME VERSION", each only if found.
facts='import platform, sys; assert sys.version_info >= (3, 10); print("runner", sys.argv[1], sys.implementation.cache_tag, platform.machine(), "-".join(platform.libc_ver()) or "-")'
for python in /usr/bin/python3 /usr/local/bin/python3 "$(command -v python3)" "$(command -v python)"; do
    if [ -x "$python" ] && "$python" -I -c "$facts" "$python" 2> /dev/null; then break; fi
done
needs='import sys, importlib.util; print("kernel", sys.argv[1], sys.implementation.cache_tag) if importlib.util.find_spec("ipykernel") is None else None'
for name in python3 python; do
    if command -v "$name" > /dev/null; then
        "$name" -c "$needs" "$name"
        break
    fi
done
