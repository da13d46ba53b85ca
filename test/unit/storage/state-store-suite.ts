import type { StateStore, StateWrite } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import type { Place, PlaceFactory } from './harness.ts';

type Pair = [key: string, value: string];

/** What every `StateStore` does. Runs the whole contract on places made by `factory`. */
export function stateStoreSuite(name: string, factory: PlaceFactory): void {
  const test = suite(`state store: ${name}`);

  const withPlace = (body: (place: Place) => Promise<void>) => async (): Promise<void> => {
    const place = await factory();
    try {
      await body(place);
    } finally {
      await place.remove();
    }
  };
  const opened = async (place: Place): Promise<StateStore> => {
    const store = await place.stateStore();
    await store.open();
    return store;
  };

  test(
    'begins empty',
    withPlace(async (place) => {
      const store = await place.stateStore();
      assert.equal(await store.open(), { appliedIndex: 0, appliedTerm: 0 });
      assert.equal(await loadAll(store), []);
      await store.close();
    }),
  );

  test(
    'keeps records and their position over a reopen, in bytewise key order',
    withPlace(async (place) => {
      const store = await opened(place);
      await store.write(
        makeWrite(7, 2, [
          ['b', '2'],
          ['\xff', '4'],
          ['a', '1'],
          ['\x7f', '3'],
          ['', '0'],
          ['aa', ''],
        ]),
      );
      await store.write(makeWrite(9, 2, [['b', 'two']], ['a', 'not there']));
      await store.close();
      await place.stop();
      const again = await place.stateStore();
      assert.equal(await again.open(), { appliedIndex: 9, appliedTerm: 2 });
      const expected: Pair[] = [
        ['', '0'],
        ['aa', ''],
        ['b', 'two'],
        ['\x7f', '3'],
        ['\xff', '4'],
      ];
      assert.equal(await loadAll(again), expected);
      await again.close();
    }),
  );

  test(
    'a delete in the same write wins over a put; the position may move alone',
    withPlace(async (place) => {
      const store = await opened(place);
      await store.write(
        makeWrite(
          1,
          1,
          [
            ['a', '1'],
            ['b', '1'],
          ],
          ['a'],
        ),
      );
      await store.write(makeWrite(2, 1, []));
      assert.equal(await loadAll(store), [['b', '1']]);
      await store.close();
    }),
  );

  test(
    'keeps many and large records, and lets other work run meanwhile',
    withPlace(async (place) => {
      const store = await opened(place);
      const pairs: Pair[] = [];
      for (let i = 0; i < 3000; i++) pairs.push([`key ${String(i).padStart(5, '0')}`, `value ${i}`]);
      pairs.push(['large', 'x'.repeat(3 << 20)]);
      await store.write(makeWrite(1, 1, pairs));
      await store.close();
      await place.stop();
      const again = await opened(place);
      assert.ok(JSON.stringify(await loadAll(again)) === JSON.stringify(pairs), 'all records came back');
      await again.close();
    }),
  );

  test(
    'owns what it was given and what it gives',
    withPlace(async (place) => {
      const store = await opened(place);
      const key = Buffer.from('key');
      const value = Buffer.from('value');
      const writing = store.write({ position: { appliedIndex: 1, appliedTerm: 1 }, puts: [[key, value]], deletes: [] });
      key.fill(0);
      value.fill(0);
      await writing;
      assert.equal(await loadAll(store), [['key', 'value']]);
      await store.close();
    }),
  );

  test(
    'refuses a position that falls and a second write in flight',
    withPlace(async (place) => {
      const store = await opened(place);
      await store.write(makeWrite(5, 2, []));
      const error = await store.write(makeWrite(4, 2, [])).catch((e: unknown) => e);
      assert.is((error as { code: string }).code, 'INVARIANT_BROKEN');
      assert.is(await store.write(makeWrite(6, 2, [])).catch((e: unknown) => e), error);
      await store.close();
      await place.stop();
      const again = await opened(place);
      const both = [again.write(makeWrite(6, 2, [])), again.write(makeWrite(7, 2, []))];
      const results = await Promise.allSettled(both);
      assert.equal(
        results.map((result) => result.status),
        ['rejected', 'rejected'],
      );
      await assert.rejects(
        again.load(() => {}),
        'WRITE_IN_FLIGHT',
      );
      await again.close();
    }),
  );

  test.run();
}

export function makeWrite(appliedIndex: number, appliedTerm: number, puts: Pair[], deletes: string[] = []): StateWrite {
  return {
    position: { appliedIndex, appliedTerm },
    puts: puts.map(([key, value]) => [Buffer.from(key, 'latin1'), Buffer.from(value, 'latin1')]),
    deletes: deletes.map((key) => Buffer.from(key, 'latin1')),
  };
}

export async function loadAll(store: StateStore): Promise<Pair[]> {
  const pairs: Pair[] = [];
  await store.load((key, value) => {
    pairs.push([Buffer.from(key).toString('latin1'), Buffer.from(value).toString('latin1')]);
  });
  return pairs;
}
