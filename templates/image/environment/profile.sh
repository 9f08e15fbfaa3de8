# shellcheck shell=sh
# A login shell replaces PATH: put the environment's programs first again, as in the image's configuration.
PATH=/home/jovyan/.local/bin:/srv/venv/bin:$PATH
export PATH
