import { type Recovered, recover, type Stores } from '@quorate/node/runtime';
import { MemorySnapshotStore, MemoryStateStore, prepareMemoryInstall } from '@quorate/storage';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { type SimulatedDisk, SimulatedLogStore } from './disk.ts';
import { type DurableIdentity, randomId } from './identity.ts';

/** Told of a snapshot of the state that is about to be made. */
export type DumpWatcher = (facts: { readonly index: number; readonly configuration: Uint8Array }) => void;

/** Opens what a disk holds. @throws StorageError as `recover` does */
export function recoverFrom(
  disk: SimulatedDisk,
  identity: DurableIdentity | null,
  world: World,
  rng: Rng,
  onDump: DumpWatcher,
): Promise<Recovered> {
  return world.takesTurns(recover(storesOf(disk, identity, world, rng, onDump)));
}

function storesOf(
  disk: SimulatedDisk,
  identity: DurableIdentity | null,
  world: World,
  rng: Rng,
  onDump: DumpWatcher,
): Stores {
  const stateStore = (): MemoryStateStore => new MemoryStateStore(disk);
  // Ids that are counted on each disk would name different snapshots alike.
  const snapshots = new MemorySnapshotStore(disk, { newId: () => randomId(rng) });
  const create = snapshots.create.bind(snapshots);
  snapshots.create = (source, facts) => {
    onDump(facts);
    return create(source, facts);
  };
  const store = settling(snapshots, world);
  return {
    founding: identity?.founding ?? null,
    doubts: identity?.doubts ?? [],
    stateStore,
    logStore: () => new SimulatedLogStore(disk, world),
    snapshots: {
      store,
      stateStore,
      prepareInstall: (reader) => {
        return world.takesTurns(prepareMemoryInstall(disk, reader, { clusterId: identity?.clusterId ?? null }));
      },
    },
  };
}

/** The same object, whose methods tell the world that promises are about to be made and turns to be taken; so do those of what it returns. */
function settling<T extends object>(target: T, world: World): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value === 'object' && value !== null && name === 'receiver') return settling(value, world);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        world.settle();
        const result: unknown = Reflect.apply(value, target, args);
        if (!(result instanceof Promise)) return result;
        void world.takesTurns(result);
        if (name !== 'open') return result;
        return result.then((opened: object) => settling(opened, world));
      };
    },
  });
}
