import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeEntry, type Place, type PlaceFactory, plain, type TestedLogStore } from './harness.ts';

const UNLIMITED = Number.MAX_SAFE_INTEGER;

/** What every `LogStore` does. Runs the whole contract on places made by `factory`. */
export function logStoreSuite(name: string, factory: PlaceFactory): void {
  const test = suite(`log store: ${name}`);

  /** Runs `body` with an open store, which it may reopen, and cleans up. */
  const withStore = (body: (at: Opened) => Promise<void>) => async (): Promise<void> => {
    const place = await factory();
    const opened = new Opened(place);
    try {
      await opened.reopen();
      await body(opened);
    } finally {
      await opened.close();
      await place.remove();
    }
  };

  test(
    'begins empty, without doubts',
    withStore(async (at) => {
      assert.equal(at.found.hardState, { term: 0, vote: null });
      assert.equal([at.found.compactedIndex, at.found.compactedTerm, at.found.entries.length], [0, 0, 0]);
      assert.equal(at.store.doubts, []);
      assert.equal(await at.store.read(1, 1000), []);
      assert.is(await at.store.termAt(1), null);
    }),
  );

  test(
    'keeps single entries, batches and hard state over a reopen',
    withStore(async (at) => {
      await at.store.append({ entries: [], hardState: { term: 1, vote: 'n1' } });
      await at.store.append({ entries: [makeEntry(1, 1)], hardState: null });
      await at.store.append({ entries: makeEntries(2, 3, 1, 40_000), hardState: null });
      await at.store.append({ entries: [makeEntry(5, 2, 0)], hardState: { term: 2, vote: null } });
      await at.reopen();
      assert.equal(at.found.hardState, { term: 2, vote: null });
      const expected = [makeEntry(1, 1), ...makeEntries(2, 3, 1, 40_000), makeEntry(5, 2, 0)];
      assert.equal(plain(at.found.entries), plain(expected));
      assert.equal(at.store.doubts, []);
      await at.store.append({ entries: [makeEntry(6, 2)], hardState: null });
      await at.reopen();
      assert.is(at.found.entries.length, 6);
    }),
  );

  test(
    'replaces a suffix, shorter or longer, and leaves nothing stale',
    withStore(async (at) => {
      await at.store.append({ entries: makeEntries(1, 10, 1), hardState: null });
      await at.store.append({ entries: makeEntries(4, 2, 2), hardState: null });
      assert.is(await at.store.termAt(5), 2);
      assert.is(await at.store.termAt(6), null);
      await at.reopen();
      assert.equal(plain(at.found.entries), plain([...makeEntries(1, 3, 1), ...makeEntries(4, 2, 2)]));
      assert.equal(at.store.doubts, []);
      await at.store.append({ entries: makeEntries(1, 7, 3), hardState: null });
      await at.reopen();
      assert.equal(plain(at.found.entries), plain(makeEntries(1, 7, 3)));
      assert.equal(at.store.doubts, []);
    }),
  );

  test(
    'reads at least one entry, then as many as fit',
    withStore(async (at) => {
      await at.store.append({ entries: makeEntries(1, 600, 1, 100), hardState: null });
      assert.equal(plain(await at.store.read(1, 0)), plain(makeEntries(1, 1, 1, 100)));
      assert.is((await at.store.read(2, 99)).length, 1);
      assert.is((await at.store.read(2, 200)).length, 2);
      assert.is((await at.store.read(2, 299)).length, 2);
      assert.equal(plain(await at.store.read(1, UNLIMITED)), plain(makeEntries(1, 600, 1, 100)));
      assert.is((await at.store.read(599, UNLIMITED)).length, 2);
      assert.is((await at.store.read(601, UNLIMITED)).length, 0);
    }),
  );

  test(
    'tells terms, the compacted one included',
    withStore(async (at) => {
      for (const [from, term] of [
        [1, 1],
        [4, 3],
        [7, 9],
      ] as const) {
        await at.store.append({ entries: makeEntries(from, 3, term), hardState: null });
      }
      const termsOf = async (...indexes: number[]) => await Promise.all(indexes.map((i) => at.store.termAt(i)));
      assert.equal(await termsOf(0, 1, 3, 4, 6, 7, 9, 10), [0, 1, 1, 3, 3, 9, 9, null]);
      await at.store.compact(5, 3);
      assert.equal(await termsOf(4, 5, 6, 7), [null, 3, 3, 9]);
      await at.reopen();
      assert.equal(await termsOf(4, 5, 6, 7, 10), [null, 3, 3, 9, null]);
    }),
  );

  test(
    'compacts a prefix, in part and whole, and goes on',
    withStore(async (at) => {
      await at.store.append({ entries: makeEntries(1, 2500, 1), hardState: null });
      await at.store.compact(2400, 1);
      assert.equal(await at.store.read(2400, UNLIMITED), []);
      await at.store.append({ entries: [makeEntry(2501, 1)], hardState: null });
      assert.is((await at.store.read(2401, UNLIMITED)).length, 101);
      await at.store.compact(10, 1);
      await at.reopen();
      assert.is(at.found.compactedIndex, 2400);
      assert.equal(plain(at.found.entries), plain([...makeEntries(2401, 100, 1), makeEntry(2501, 1)]));
      await at.store.compact(2501, 1);
      await at.reopen();
      assert.equal([at.found.compactedIndex, at.found.compactedTerm, at.found.entries.length], [2501, 1, 0]);
      await at.store.append({ entries: [makeEntry(2502, 1)], hardState: null });
      await at.reopen();
      assert.is(at.found.entries.length, 1);
      assert.equal(at.store.doubts, []);
    }),
  );

  test(
    'compacting beyond the end, or at another term, discards the log',
    withStore(async (at) => {
      await at.store.append({ entries: makeEntries(1, 10, 1), hardState: { term: 1, vote: 'n2' } });
      await at.store.append({ entries: [], hardState: { term: 5, vote: null } });
      await at.store.compact(5, 4);
      assert.is(await at.store.termAt(6), null);
      await at.store.append({ entries: makeEntries(6, 2, 5), hardState: null });
      await at.reopen();
      assert.equal([at.found.compactedIndex, at.found.compactedTerm], [5, 4]);
      assert.equal(plain(at.found.entries), plain(makeEntries(6, 2, 5)));
      await at.store.compact(1000, 5);
      await at.store.append({ entries: [makeEntry(1001, 5)], hardState: null });
      await at.reopen();
      assert.equal([at.found.compactedIndex, at.found.compactedTerm, at.found.entries.length], [1000, 5, 1]);
      assert.equal(at.found.hardState, { term: 5, vote: null });
      assert.equal(at.store.doubts, []);
    }),
  );

  test(
    'truncates back to the compacted entry',
    withStore(async (at) => {
      await at.store.append({ entries: makeEntries(1, 10, 1), hardState: null });
      await at.store.compact(5, 1);
      await at.store.append({ entries: [makeEntry(6, 2)], hardState: { term: 2, vote: null } });
      await at.reopen();
      assert.equal(plain(at.found.entries), plain([makeEntry(6, 2)]));
      assert.equal(at.store.doubts, []);
    }),
  );

  test(
    'refuses a second write in flight and is poisoned by it',
    withStore(async (at) => {
      const first = at.store.append({ entries: [makeEntry(1, 1)], hardState: null });
      const second = at.store.append({ entries: [makeEntry(2, 1)], hardState: null });
      const [one, two] = await Promise.allSettled([first, second]);
      assert.is(one.status, 'rejected');
      assert.is(two.status === 'rejected' && two.reason.code, 'WRITE_IN_FLIGHT');
      await assert.rejects(at.store.read(1, 1), 'WRITE_IN_FLIGHT');
    }),
  );

  test(
    'refuses gaps, compacted indexes, falling terms and a second vote, each for good',
    withStore(async (at) => {
      const entry = [makeEntry(1, 3)];
      const bad = [
        { entries: [makeEntry(4, 3)], hardState: null },
        { entries: [makeEntry(1, 3)], hardState: null },
        { entries: [makeEntry(3, 2)], hardState: null },
        { entries: [makeEntry(3, 3), makeEntry(5, 3)], hardState: null },
        { entries: [], hardState: { term: 2, vote: null } },
        { entries: [], hardState: { term: 3, vote: 'n2' } },
      ];
      await at.store.append({ entries: [...entry, makeEntry(2, 3)], hardState: { term: 3, vote: 'n1' } });
      await at.store.compact(1, 3);
      for (const write of bad) {
        const error = await at.store.append(write).catch((e: unknown) => e);
        assert.is((error as { code: string }).code, 'INVARIANT_BROKEN', JSON.stringify(write));
        const again = await at.store.append({ entries: [makeEntry(3, 3)], hardState: null }).catch((e: unknown) => e);
        assert.is(again, error, 'every later call rejects with the same error');
        await at.reopen();
      }
      assert.equal(plain(at.found.entries), plain([makeEntry(2, 3)]));
      assert.equal(at.found.hardState, { term: 3, vote: 'n1' });
    }),
  );

  test(
    'cannot be used before open or after close',
    withStore(async (at) => {
      await at.store.close();
      await assert.rejects(at.store.append({ entries: [], hardState: null }), 'STORE_NOT_OPEN');
      await assert.rejects(at.store.read(1, 1), 'STORE_NOT_OPEN');
      await assert.rejects(at.store.open(), 'STORE_NOT_OPEN');
      await at.store.close();
    }),
  );

  test.run();
}

/** The store of a test, with what its last open found. */
class Opened {
  readonly #place: Place;
  #store: TestedLogStore | null = null;
  #found: Awaited<ReturnType<TestedLogStore['open']>> | null = null;

  constructor(place: Place) {
    this.#place = place;
  }

  get store(): TestedLogStore {
    assert.ok(this.#store);
    return this.#store;
  }

  get found(): Awaited<ReturnType<TestedLogStore['open']>> {
    assert.ok(this.#found);
    return this.#found;
  }

  async reopen(): Promise<void> {
    await this.close();
    this.#store = await this.#place.logStore();
    this.#found = await this.#store.open();
  }

  async close(): Promise<void> {
    await this.#store?.close();
    await this.#place.stop();
  }
}
