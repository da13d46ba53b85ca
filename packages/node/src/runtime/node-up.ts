import type { NodeUp } from '@quorate/broker';
import { formatAddress } from '../config/address.ts';
import type { NodeConfig } from '../config/index.ts';

/** What a node says of itself in the log. */
export function nodeUpOf({ advertise, serving }: NodeConfig, version: string): NodeUp {
  return {
    mqtt: formatAddress(advertise.mqtt),
    http: formatAddress(advertise.http),
    peer: formatAddress(advertise.peer),
    version,
    leaseMs: serving.leaseMs,
  };
}
