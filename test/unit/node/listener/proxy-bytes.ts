const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');

/** A PROXY header of version 2 with a proper signature and length. */
export function proxyV2(versionAndCommand: number, familyAndProtocol: number, rest: Buffer): Buffer {
  const fixed = Buffer.from([versionAndCommand, familyAndProtocol, rest.length >> 8, rest.length & 0xff]);
  return Buffer.concat([SIGNATURE, fixed, rest]);
}

/** The one that a load balancer sends for 192.0.2.7:56324, with a TLV behind it. */
export const V2_OF_192_0_2_7 = proxyV2(
  0x21,
  0x11,
  Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb, 0x04, 0, 1, 0]),
);
export const V1_OF_192_0_2_7 = Buffer.from('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n');
