#!/bin/sh
set -e
. conf/settings.sh
exec "$@"
