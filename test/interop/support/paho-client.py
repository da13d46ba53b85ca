"""A Paho client that is driven by lines of JSON: one command in, any number of events out."""
import json
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

client = None
is_v5 = False


lock = threading.Lock()


def say(**event):
    """Callbacks come on a thread of Paho's: a line is written whole."""
    with lock:
        sys.stdout.write(json.dumps(event) + "\n")
        sys.stdout.flush()


def properties(packet_type, values):
    """None outside MQTT 5, where Paho refuses them."""
    if not is_v5:
        return None
    made = Properties(packet_type)
    for name, value in (values or {}).items():
        if name == "UserProperty":
            value = [tuple(pair) for pair in value]
        if name == "CorrelationData":
            value = bytes.fromhex(value)
        setattr(made, name, value)
    return made


def shown(values):
    if values is None:
        return {}
    out = {}
    for name, value in vars(values).items():
        if name in ("names", "properties", "packetType", "types"):
            continue
        out[name] = value.hex() if isinstance(value, bytes) else value
    return out


def on_message(_client, _data, message):
    say(
        event="message",
        topic=message.topic,
        payload=message.payload.decode(),
        qos=message.qos,
        retain=bool(message.retain),
        dup=bool(message.dup),
        properties=shown(getattr(message, "properties", None)),
    )


def on_connect(_client, _data, flags, code, *_more):
    say(event="connected", code=getattr(code, "value", code), present=bool(flags["session present"]))


def on_subscribe(_client, _data, _mid, codes, *_more):
    say(event="subscribed", codes=[getattr(code, "value", code) for code in codes])


def connect(port, id, version, clean=True, expiry=0, will=None):
    global client, is_v5
    is_v5 = version == 5
    protocol = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}[version]
    more = {} if is_v5 else {"clean_session": clean}
    client = mqtt.Client(client_id=id, protocol=protocol, **more)
    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = on_subscribe
    client.on_publish = lambda _client, _data, mid: say(event="published", mid=mid)
    client.on_disconnect = lambda _client, _data, code, *_more: say(
        event="disconnected", code=getattr(code, "value", code)
    )
    if will is not None:
        client.will_set(
            will["topic"],
            will["payload"],
            will["qos"],
            will.get("retain", False),
            properties(PacketTypes.WILLMESSAGE, will.get("properties")),
        )
    if is_v5:
        expires = properties(PacketTypes.CONNECT, {"SessionExpiryInterval": expiry})
        client.connect("127.0.0.1", port, 30, clean_start=clean, properties=expires)
    else:
        client.connect("127.0.0.1", port, 30)
    client.loop_start()


def subscribe(filter, qos, noLocal=False, retainAsPublished=False, retainHandling=0):
    if is_v5:
        client.subscribe(filter, options=SubscribeOptions(qos, noLocal, retainAsPublished, retainHandling))
    else:
        client.subscribe(filter, qos)


def publish(topic, payload, qos, retain=False, properties_=None):
    info = client.publish(topic, payload, qos, retain, properties(PacketTypes.PUBLISH, properties_))
    say(event="sent", mid=info.mid)


def drop():
    """As a crash: no DISCONNECT, and Paho does not connect again."""
    client.loop_stop(force=True)
    client._sock_close()
    say(event="dropped")


COMMANDS = {
    "connect": connect,
    "subscribe": subscribe,
    "publish": publish,
    "disconnect": lambda: client.disconnect(),
    "drop": drop,
}

for line in sys.stdin:
    command = json.loads(line)
    COMMANDS[command.pop("do")](**command)
