#!/bin/sh
cat "$1" > heights.txt
