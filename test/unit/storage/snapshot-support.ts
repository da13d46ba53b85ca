import type { SnapshotFacts, SnapshotInfo, SnapshotReader, SnapshotStore, StateStore } from '@quorate/storage';
import type { Place, PlaceFactory, TestedStateStore } from './harness.ts';
import { makeWrite } from './state-store-suite.ts';

export type Pair = [key: string, value: string];

export const withPlace = (factory: PlaceFactory, body: (place: Place) => Promise<void>) => async (): Promise<void> => {
  const place = await factory();
  try {
    await body(place);
  } finally {
    await place.remove();
  }
};

export function factsAt(index: number, term: number): SnapshotFacts {
  return {
    index,
    term,
    stampMs: 1_000.25 * index,
    configuration: Buffer.from(`configuration of ${index}`),
    clusterId: 'cluster one',
    machineVersion: 7,
  };
}

/** Some more than fit in one chunk and one slice, with an empty key, an empty value and one larger than a chunk. */
export function somePairs(count = 1500, salt = ''): Pair[] {
  const pairs: Pair[] = [['', 'empty key']];
  for (let i = 0; i < count; i++) {
    pairs.push([`key ${String(i).padStart(5, '0')}`, `value ${i} ${salt}`.padEnd(i % 7 === 0 ? 900 : 20, '.')]);
  }
  pairs.push(['large', 'x'.repeat(700_000)], ['last', '']);
  return pairs;
}

export async function openedState(place: Place, index: number, term: number, pairs: Pair[]): Promise<TestedStateStore> {
  const store = await place.stateStore();
  await store.open();
  await store.write(makeWrite(index, term, pairs));
  return store;
}

export async function pairsOf(reader: SnapshotReader): Promise<Pair[]> {
  const pairs: Pair[] = [];
  await reader.forEach((records) => {
    for (const [key, value] of records) {
      pairs.push([Buffer.from(key).toString('latin1'), Buffer.from(value).toString('latin1')]);
    }
  });
  return pairs;
}

/** All of a snapshot's bytes. */
export async function bytesOf(store: SnapshotStore, id: string): Promise<Buffer> {
  const reader = await store.open(id);
  const parts: Uint8Array[] = [];
  for (let offset = 0; offset < reader.info.sizeBytes; ) {
    const part = await reader.read(offset, 100_000);
    parts.push(part);
    offset += part.length;
  }
  await reader.close();
  return Buffer.concat(parts);
}

export function plainInfo({ configuration, ...rest }: SnapshotInfo): unknown {
  return { ...rest, configuration: Buffer.from(configuration).toString('latin1') };
}

/** A snapshot made on a place of its own: what a peer offers, and its bytes. */
export async function makeOffer(
  factory: PlaceFactory,
  index: number,
  term: number,
  pairs = somePairs(),
): Promise<{ offer: SnapshotInfo; bytes: Buffer }> {
  const place = await factory();
  try {
    const state: StateStore & TestedStateStore = await openedState(place, index, term, pairs);
    const store = await place.snapshotStore();
    const offer = await store.create(state, factsAt(index, term));
    const bytes = await bytesOf(store, offer.id);
    await state.close();
    return { offer, bytes };
  } finally {
    await place.remove();
  }
}
