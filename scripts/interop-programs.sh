#!/bin/sh
# Says what `make interop` needs and is not installed, and fails then.
missing=
need() {
  command -v "$1" > /dev/null 2>&1 || missing="$missing $2"
}
need mosquitto mosquitto
need mosquitto_pub mosquitto-clients
need mosquitto_rr mosquitto-clients
need chromium chromium
/usr/bin/python3 -c 'import paho.mqtt.client' 2> /dev/null \
  || python3 -c 'import paho.mqtt.client' 2> /dev/null || missing="$missing python3-paho-mqtt"
[ -z "$missing" ] && exit 0
echo "make interop needs programs that are not here. On Debian or Ubuntu: apt-get install$missing" >&2
exit 1
