export SOURCED=1
