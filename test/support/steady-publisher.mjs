import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { setTimeout } from 'node:timers';

/*
 * Publishes with QoS 1 to one node for as long as it lives, one message at a time, over one connection after the other, and
 * writes a line for each acknowledgement. On bare sockets, so that it starts quickly: it runs on a host of its own.
 *
 *   node steady-publisher.mjs HOST PORT CLIENT-ID
 */

const [host, port, clientId] = process.argv.slice(2);
const PAUSE_MS = 30;
const PATIENCE_MS = 1_500;

const string = (text) => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);
const packet = (type, ...parts) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([type, body.length]), body]);
};
// MQTT 3.1.1, clean session, no keep-alive.
const CONNECT = packet(0x10, string('MQTT'), Buffer.from([4, 2, 0, 0]), string(clientId));
const PUBLISH = packet(0x32, string(`steady/${clientId}`), Buffer.from([0, 1]), Buffer.from('x'));
const CONNACK_BYTES = 4;

function live() {
  const socket = connect({ host, port: Number(port), noDelay: true });
  let got = Buffer.alloc(0);
  let isIn = false;
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.on('error', () => {});
  socket.on('close', () => setTimeout(live, PAUSE_MS));
  socket.on('connect', () => socket.write(CONNECT));
  socket.on('data', (chunk) => {
    // CONNACK and PUBACK are equally long.
    for (got = Buffer.concat([got, chunk]); got.length >= CONNACK_BYTES; got = got.subarray(CONNACK_BYTES)) {
      if (isIn) process.stdout.write('acknowledged\n');
      else if (got[3] !== 0) socket.destroy();
      isIn = true;
      setTimeout(() => socket.writable && socket.write(PUBLISH), PAUSE_MS);
    }
  });
}

live();
