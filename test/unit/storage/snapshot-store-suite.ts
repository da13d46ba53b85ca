import { assert, suite } from '../../support/suite.ts';
import type { PlaceFactory } from './harness.ts';
import {
  bytesOf,
  factsAt,
  makeOffer,
  openedState,
  pairsOf,
  plainInfo,
  somePairs,
  withPlace,
} from './snapshot-support.ts';
import { makeWrite } from './state-store-suite.ts';

/** What every `SnapshotStore` does when it makes and gives snapshots. */
export function snapshotStoreSuite(name: string, factory: PlaceFactory): void {
  const test = suite(`snapshot store: ${name}`);
  const on = (body: Parameters<typeof withPlace>[1]) => withPlace(factory, body);

  test(
    'begins empty; an unknown id is refused',
    on(async (place) => {
      const store = await place.snapshotStore();
      assert.is(await store.newest(), null);
      assert.equal(await store.list(), []);
      assert.is(await store.receiver.resumeOffset(), null);
      await assert.rejects(store.open('0'.repeat(32)), 'SNAPSHOT_NOT_FOUND');
    }),
  );

  test(
    'a snapshot holds the facts and exactly the records, in key order, also after a reopen',
    on(async (place) => {
      const pairs = somePairs();
      const state = await openedState(place, 9, 3, [
        ['key 00003', 'old'],
        ['gone', 'x'],
      ]);
      await state.write(makeWrite(10, 3, pairs, ['gone']));
      const made = await (await place.snapshotStore()).create(state, factsAt(10, 3));
      await state.close();
      await place.stop();
      const store = await place.snapshotStore();
      const newest = await store.newest();
      assert.ok(newest);
      assert.equal(plainInfo(newest), plainInfo(made));
      assert.equal(plainInfo(newest), {
        ...factsAt(10, 3),
        configuration: 'configuration of 10',
        id: made.id,
        sizeBytes: made.sizeBytes,
      });
      const reader = await store.open(made.id);
      assert.ok(JSON.stringify(await pairsOf(reader)) === JSON.stringify([...pairs].sort()), 'the same records');
      const recordBytes = pairs.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
      assert.equal(await reader.verify(), { recordCount: pairs.length, recordBytes });
      await reader.close();
      assert.is((await bytesOf(store, made.id)).length, made.sizeBytes);
    }),
  );

  test(
    'an empty state makes a snapshot too',
    on(async (place) => {
      const state = await openedState(place, 4, 1, []);
      const store = await place.snapshotStore();
      const { id } = await store.create(state, factsAt(4, 1));
      const reader = await store.open(id);
      assert.equal(await reader.verify(), { recordCount: 0, recordBytes: 0 });
      await reader.close();
      await state.close();
    }),
  );

  test(
    'the newest two are kept; one that is being read stays readable',
    on(async (place) => {
      const state = await openedState(place, 1, 1, somePairs(10));
      const store = await place.snapshotStore();
      const first = await store.create(state, factsAt(1, 1));
      const reader = await store.open(first.id);
      for (const index of [2, 3]) {
        await state.write(makeWrite(index, 1, [[`new ${index}`, '']]));
        await store.create(state, factsAt(index, 1));
      }
      assert.equal(
        (await store.list()).map(({ index }) => index),
        [3, 2],
      );
      assert.is((await place.snapshotFiles()).length, 2);
      await assert.rejects(store.open(first.id), 'SNAPSHOT_NOT_FOUND');
      assert.is((await reader.verify()).recordCount, 13);
      await reader.close();
      await state.close();
    }),
  );

  test(
    'a write to the state meanwhile, or another position, is refused and leaves nothing',
    on(async (place) => {
      const state = await openedState(place, 5, 2, somePairs());
      const store = await place.snapshotStore();
      const kept = await store.create(state, factsAt(5, 2));
      await assert.rejects(store.create(state, factsAt(4, 2)), 'SNAPSHOT_DISTURBED');
      let slices = 0;
      const disturbed = {
        get position() {
          return state.position;
        },
        get writes() {
          return state.writes;
        },
        readSlice: async (...limits: Parameters<typeof state.readSlice>) => {
          // The position does not move: the write alone has to show.
          if (++slices === 2) await state.write(makeWrite(5, 2, [['key 00000', 'changed']]));
          return await state.readSlice(...limits);
        },
      };
      await assert.rejects(store.create(disturbed, factsAt(5, 2)), 'SNAPSHOT_DISTURBED');
      const files = await place.snapshotFiles();
      assert.is(files.length, 1);
      assert.equal(
        (await store.list()).map(({ id }) => id),
        [kept.id],
      );
      await state.close();
    }),
  );

  test(
    'damage anywhere in the file is noticed; a damaged header or footer passes the snapshot over',
    on(async (place) => {
      const state = await openedState(place, 5, 2, somePairs());
      const store = await place.snapshotStore();
      const older = await store.create(state, factsAt(5, 2));
      await state.write(makeWrite(6, 2, []));
      const { id, sizeBytes } = await store.create(state, factsAt(6, 2));
      const file = (await place.snapshotFiles()).find((each) => each.includes(id)) ?? '';
      const inside = [96, 120, 150, 4000, Math.floor(sizeBytes / 2), sizeBytes - 57];
      for (const offset of inside) {
        await place.damage(file, offset);
        await assert.rejects(async () => {
          const reader = await store.open(id);
          await reader.verify().finally(() => reader.close());
        }, 'SNAPSHOT_CORRUPTED');
        await place.damage(file, offset);
      }
      for (const offset of [0, 9, 13, 40, -1, -30, -56]) {
        await place.damage(file, offset);
        assert.is((await store.newest())?.id, older.id, `offset ${offset}`);
        await assert.rejects(store.open(id), 'SNAPSHOT_CORRUPTED');
        await place.damage(file, offset);
      }
      const reader = await store.open(id);
      await reader.verify();
      await reader.close();
      for (const kept of [sizeBytes - 1, sizeBytes - 56, 200, 10, 0]) {
        await place.cutOff(file, kept);
        await assert.rejects(store.open(id), 'SNAPSHOT_CORRUPTED');
      }
      await state.close();
    }),
  );

  test(
    'an installed snapshot is the state, record for record',
    on(async (place) => {
      const { bytes, offer } = await makeOffer(factory, 20, 4, somePairs(100));
      const state = await openedState(place, 3, 1, [['old', 'record']]);
      await state.close();
      const store = await place.snapshotStore();
      await store.receiver.begin(offer);
      await store.receiver.write(0, bytes);
      await store.receiver.finish();
      const reader = await store.open(offer.id);
      await place.install(reader, null);
      await assert.rejects(
        state.load(() => {}),
        /state store|was installed/,
      );
      const installed = await place.stateStore();
      assert.equal(await installed.open(), { appliedIndex: 20, appliedTerm: 4 });
      const again = await store.create(installed, factsAt(20, 4));
      const copy = await store.open(again.id);
      assert.ok(JSON.stringify(await pairsOf(copy)) === JSON.stringify(await pairsOf(reader)), 'the same records');
      await copy.close();
      await reader.close();
      await installed.write(makeWrite(21, 4, [['more', '']]));
      await installed.close();
      await place.stop();
      const reopened = await place.stateStore();
      assert.equal(await reopened.open(), { appliedIndex: 21, appliedTerm: 4 });
      await reopened.close();
    }),
  );

  test.run();
}
