/** Groups of 16 bits that name a network of IPv6: what one customer gets, and can take any number of addresses of. */
const NETWORK_GROUPS = 4;
const ADDRESS_GROUPS = 8;

/**
 * What counts as one address: an IPv4 address, or the /64 network of an IPv6 address.
 *
 * @param remoteAddress `HOST:PORT` or `[HOST]:PORT`; anything else stands for itself
 */
export function addressGroup(remoteAddress: string): string {
  if (!remoteAddress.startsWith('[')) {
    const colon = remoteAddress.lastIndexOf(':');
    return colon < 0 ? remoteAddress : remoteAddress.slice(0, colon);
  }
  const host = remoteAddress.slice(1, remoteAddress.lastIndexOf(']'));
  const [left = '', right] = host.split('::', 2);
  const first = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    const last = right === '' ? [] : right.split(':');
    while (first.length + last.length < ADDRESS_GROUPS) first.push('0');
    first.push(...last);
  }
  return `${first.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}
