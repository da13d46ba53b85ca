import { type SnapshotInfo, type SnapshotReceiver, StorageError } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';
import type { PlaceFactory } from './harness.ts';
import { bytesOf, factsAt, makeOffer, openedState, plainInfo, withPlace } from './snapshot-support.ts';

const CHUNK = 50_000;

/** What every `SnapshotReceiver` does. */
export function receiverSuite(name: string, factory: PlaceFactory): void {
  const test = suite(`snapshot receiver: ${name}`);
  const on = (body: Parameters<typeof withPlace>[1]) => withPlace(factory, body);
  let offer: SnapshotInfo;
  let bytes: Buffer;

  test.before(async () => {
    ({ offer, bytes } = await makeOffer(factory, 12, 3));
  });

  const send = async (receiver: SnapshotReceiver, from: number, through = bytes.length): Promise<void> => {
    for (let offset = from; offset < through; ) {
      offset = await receiver.write(offset, bytes.subarray(offset, Math.min(offset + CHUNK, through)));
    }
  };

  test(
    'takes a snapshot in, in order, and puts it among the whole ones',
    on(async (place) => {
      const store = await place.snapshotStore();
      const { receiver } = store;
      assert.is(await receiver.begin(offer), 0);
      await assert.rejects(receiver.finish(), /only 0 of \d+ bytes/);
      await send(receiver, 0, CHUNK);
      await assert.rejects(receiver.write(CHUNK + 1, bytes.subarray(CHUNK + 1)), /bytes 50000 to 50001 are missing/);
      await assert.rejects(receiver.write(CHUNK, Buffer.alloc(bytes.length)), 'SNAPSHOT_REFUSED');
      assert.is(await receiver.write(10, bytes.subarray(10, 30)), CHUNK, 'what is here already is skipped');
      assert.is(await receiver.write(CHUNK - 5, bytes.subarray(CHUNK - 5, CHUNK + 5)), CHUNK + 5);
      assert.equal(await receiver.resumeOffset(), { id: offer.id, offset: CHUNK + 5 });
      assert.is(await store.newest(), null, 'nothing shows before it is whole');
      await send(receiver, CHUNK + 5);
      assert.equal(plainInfo(await receiver.finish()), plainInfo(offer));
      assert.ok((await bytesOf(store, offer.id)).equals(bytes));
      assert.is((await place.snapshotFiles()).length, 1);
      assert.is(await receiver.resumeOffset(), null);
      assert.is(await receiver.begin(offer), bytes.length, 'it is here already');
      assert.equal(plainInfo(await receiver.finish()), plainInfo(offer));
    }),
  );

  test(
    'goes on after a lost connection and after a restart',
    on(async (place) => {
      const first = (await place.snapshotStore()).receiver;
      await first.begin(offer);
      await send(first, 0, 2 * CHUNK);
      assert.is(await first.begin(offer), 2 * CHUNK, 'another connection');
      await send(first, 2 * CHUNK, bytes.length - 70);
      await place.stop();
      const store = await place.snapshotStore();
      const resumed = await store.receiver.resumeOffset();
      // The twin in memory restarts with what was synced: on the disk without a power cut it is every whole chunk.
      if (name === 'disk') {
        assert.is(resumed?.id, offer.id);
        assert.ok((resumed?.offset ?? 0) > bytes.length / 2);
      }
      const offset = await store.receiver.begin(offer);
      assert.is(offset, resumed?.offset ?? 0);
      await send(store.receiver, offset);
      await store.receiver.finish();
      assert.ok((await bytesOf(store, offer.id)).equals(bytes));
    }),
  );

  test(
    'goes on before a damaged part after a restart',
    on(async (place) => {
      const { receiver } = await place.snapshotStore();
      await receiver.begin(offer);
      await send(receiver, 0, bytes.length - 1);
      await assert.rejects(receiver.finish(), 'SNAPSHOT_REFUSED');
      await place.stop();
      if (name === 'disk') await place.damage('incoming.part', 600_000);
      const store = await place.snapshotStore();
      const offset = await store.receiver.begin(offer);
      assert.ok(offset <= 600_000);
      if (name === 'disk') assert.ok(offset > 100_000, 'what is sound is kept');
      await send(store.receiver, offset);
      await store.receiver.finish();
      assert.ok((await bytesOf(store, offer.id)).equals(bytes));
    }),
  );

  test(
    'damaged, foreign or mislabelled bytes are dropped, and everything else stays',
    on(async (place) => {
      const state = await openedState(place, 5, 2, [['mine', '1']]);
      const store = await place.snapshotStore();
      const mine = await store.create(state, factsAt(5, 2));
      await state.close();
      const wrong: [string, SnapshotInfo, Buffer][] = [
        ['a flipped bit', offer, flipped(bytes, 700_000)],
        ['a flipped bit in the footer', offer, flipped(bytes, bytes.length - 3)],
        ['no snapshot at all', offer, Buffer.alloc(bytes.length, 7)],
        ['another index than offered', { ...offer, index: 13 }, bytes],
        ['another cluster than offered', { ...offer, clusterId: 'cluster two' }, bytes],
        ['another id than offered', { ...offer, id: 'ab'.repeat(16) }, bytes],
        ['a shorter file', { ...offer, sizeBytes: bytes.length - 56 }, bytes.subarray(0, bytes.length - 56)],
      ];
      for (const [what, offered, sent] of wrong) {
        assert.is(await store.receiver.begin(offered), 0, what);
        await store.receiver.write(0, sent);
        const error = await store.receiver.finish().catch((thrown: unknown) => thrown);
        assert.is(error instanceof StorageError && error.code, 'SNAPSHOT_CORRUPTED', what);
        assert.is(await store.receiver.resumeOffset(), null, what);
        assert.is((await place.snapshotFiles()).length, 1, what);
      }
      const reader = await store.open(mine.id);
      await reader.verify();
      await reader.close();
    }),
  );

  test(
    'refuses offers out of range, and calls before begin',
    on(async (place) => {
      const { receiver } = await place.snapshotStore();
      await assert.rejects(receiver.write(0, bytes), 'SNAPSHOT_REFUSED');
      await assert.rejects(receiver.finish(), 'SNAPSHOT_REFUSED');
      for (const bad of [
        { sizeBytes: 2 ** 40 },
        { sizeBytes: 0 },
        { sizeBytes: 1.5 },
        { id: '../../etc' },
        { id: '' },
      ]) {
        await assert.rejects(receiver.begin({ ...offer, ...bad }), 'SNAPSHOT_REFUSED');
      }
      assert.equal(await place.snapshotFiles(), []);
    }),
  );

  test(
    'one comes in at a time: another offer drops it; abandon leaves nothing',
    on(async (place) => {
      const other = await makeOffer(factory, 30, 5, [['a', 'b']]);
      const { receiver } = await place.snapshotStore();
      await receiver.begin({ ...offer, id: 'cd'.repeat(16) });
      await send(receiver, 0, CHUNK);
      assert.is(await receiver.begin(other.offer), 0);
      assert.equal(await receiver.resumeOffset(), { id: other.offer.id, offset: 0 });
      assert.equal(await place.snapshotFiles(), ['incoming.json', 'incoming.part']);
      await receiver.abandon();
      assert.equal(await place.snapshotFiles(), []);
    }),
  );

  test.run();
}

function flipped(bytes: Buffer, offset: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeUInt8(copy.readUInt8(offset) ^ 1, offset);
  return copy;
}
