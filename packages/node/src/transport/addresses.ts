import { isWildcard, parseAddress, sameAddress } from '../config/address.ts';
import type { HostPort } from './types.ts';

/** Most addresses at which one peer is looked for. */
export const MAX_PEER_ADDRESSES = 4;

/** How many of them the peer itself has named: what it says must not crowd out what the operator says. */
const MAX_LEARNED = 2;

/** Where one peer may be found: the addresses that were given, and before them those that it named itself. */
export class PeerAddresses {
  private given: readonly HostPort[];
  private learned: HostPort[] = [];
  private all: readonly HostPort[];

  /** @throws RangeError without any address */
  constructor(given: readonly HostPort[]) {
    this.given = given;
    this.all = this.joined();
  }

  get first(): HostPort {
    const [first] = this.all;
    if (first === undefined) throw new Error('a peer has at least one address');
    return first;
  }

  has(address: HostPort): boolean {
    return this.all.some((each) => sameAddress(each, address));
  }

  /** The one to try after `address`, round and round. */
  after(address: HostPort): HostPort {
    return this.all[this.all.findIndex((each) => sameAddress(each, address)) + 1] ?? this.first;
  }

  /**
   * Replaces what was given; what the peer named itself stays.
   *
   * @returns an address that was not in the list before, or null
   * @throws RangeError without any address
   */
  set(given: readonly HostPort[]): HostPort | null {
    const before = this.all;
    this.given = given;
    this.all = this.joined();
    return this.all.find((each) => !before.some((old) => sameAddress(old, each))) ?? null;
  }

  /**
   * Takes an address that the peer names itself.
   *
   * @param text HOST:PORT; anything that nobody could dial is ignored
   */
  learn(text: string): { readonly address: HostPort; readonly isNew: boolean } | null {
    const address = parseDialable(text);
    if (address === null) return null;
    if (this.has(address)) return { address, isNew: false };
    this.learned = [address, ...this.learned].slice(0, MAX_LEARNED);
    this.all = this.joined();
    return { address, isNew: true };
  }

  private joined(): readonly HostPort[] {
    if (this.given.length === 0) throw new RangeError('a peer needs at least one address');
    const all: HostPort[] = [];
    for (const address of [...this.learned, ...this.given]) {
      if (all.length < MAX_PEER_ADDRESSES && !all.some((each) => sameAddress(each, address))) all.push(address);
    }
    return all;
  }
}

/** Reads a HOST:PORT at which a node can be dialled; null for a wildcard or anything else. */
export function parseDialable(text: string): HostPort | null {
  const address = parseAddress(text);
  return address === undefined || isWildcard(address.host) ? null : address;
}
