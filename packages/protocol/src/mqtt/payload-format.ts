import { isUtf8 } from 'node:buffer';
import type { MessageProperties } from './packets.ts';

/**
 * Whether a payload is what its Payload Format Indicator says (MQTT 5.0 section 3.3.2.3.2): 1 announces UTF-8. Without the
 * indicator, or with 0, everything is. U+0000 passes: what is forbidden in MQTT's strings is text in a payload.
 */
export function isPayloadFormatValid(payload: Uint8Array, properties: MessageProperties | null): boolean {
  return properties?.payloadFormatIndicator !== 1 || isUtf8(payload);
}
