#!/bin/sh
# Installs Node-RED's MQTT nodes for test/interop/node-red by their own lock file, unless that has been done.
cd "$(dirname "$0")/../test/interop/node-red" || exit 1
[ node_modules/.package-lock.json -nt package-lock.json ] && exit 0
echo 'npm ci in test/interop/node-red'
exec npm ci --no-audit --no-fund --ignore-scripts --silent
