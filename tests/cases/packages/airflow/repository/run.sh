#!/bin/bash
cat "$1" > values.json
