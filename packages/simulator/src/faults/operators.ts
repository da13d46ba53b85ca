import {
  type ByteWriter,
  type SettingsChange,
  type SharedStrategy,
  writeSettings,
  writeSharedStrategy,
} from '@quorate/broker';
import { type Configuration, members } from '@quorate/consensus';
import type { Replica } from '@quorate/node/runtime';
import { peerAddressOf } from '../cluster/node-config.ts';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import type { World } from '../world/world.ts';

type Request = Parameters<Replica['membership']['admin']['ask']>[0];
type Role = 'voter' | 'learner' | 'out';

/** The people who change the cluster, and what they were told. */
export class Operators {
  readonly #world: World;
  /** What each node must be in the end, as far as that is certain. */
  readonly #expected = new Map<string, Role>();
  /** Nodes with a request under way. */
  readonly #asking = new Map<string, number>();

  constructor(world: World, founders: readonly string[]) {
    this.#world = world;
    for (const id of founders) this.#expected.set(id, 'voter');
  }

  ask(node: SimulatedNode, request: Request, done: (ok: boolean) => void = () => {}): void {
    const { kind } = request;
    const subject = kind === 'transfer' ? (request.to ?? 'anybody') : request.nodeId;
    const asked = node.ask((replica) => {
      this.#world.note('operator', kind, subject, `on ${node.id}`);
      replica.membership.admin.ask(request, ({ ok, code }) => {
        this.#world.note('operator', `${kind} of ${subject}`, code);
        this.#world.count(`  ${kind} ${code}`);
        done(ok);
      });
    });
    if (!asked) done(false);
  }

  join(node: SimulatedNode, nodeId: string, voter: boolean, replaces: string | null): void {
    if (replaces !== null) this.#expected.delete(replaces);
    const role = voter ? 'voter' : 'learner';
    this.#change(node, { kind: 'join', nodeId, peer: peerAddressOf(nodeId), voter, replaces }, nodeId, role, () => {});
  }

  remove(node: SimulatedNode, nodeId: string, done: () => void): void {
    this.#change(node, { kind: 'remove', nodeId }, nodeId, 'out', done);
  }

  changeLimits(node: SimulatedNode, change: SettingsChange): void {
    this.#propose(node, 'settings', (writer) => writeSettings(writer, change));
  }

  changeStrategy(node: SimulatedNode, strategy: SharedStrategy): void {
    this.#propose(node, 'shared strategy', (writer) => writeSharedStrategy(writer, strategy));
  }

  /** As the node does when it is asked over HTTP, but for the time after which it gives up. */
  #propose(node: SimulatedNode, what: string, write: (writer: ByteWriter) => void): void {
    node.ask(({ broker }) => {
      const { proposer, serving, congested } = broker;
      this.#world.note('operator', what, `on ${node.id}`);
      if (!serving || congested) return;
      const commandApplied = (): void => this.#world.count(`  ${what} changed`);
      write(proposer.open());
      proposer.added({ commandApplied }, 0, 0);
    });
  }

  #change(node: SimulatedNode, request: Request, nodeId: string, role: Role, done: () => void): void {
    this.#expected.delete(nodeId);
    const number = (this.#asking.get(nodeId) ?? 0) + 1;
    this.#asking.set(nodeId, number);
    this.ask(node, request, (ok) => {
      // Of several requests for one node, whose answers may cross, nothing is certain.
      if (!ok || this.#asking.get(nodeId) !== number) return;
      this.#expected.set(nodeId, role);
      done();
    });
  }

  /** Members that are not what was promised, as sentences. `records`: of the replicated state, by node. */
  unfinished(
    current: Configuration,
    records: ReadonlyMap<string, { readonly voter: boolean; readonly replaces: string | null }>,
  ): string[] {
    const roleOf = (id: string): Role =>
      current.voters.includes(id) ? 'voter' : current.learners.includes(id) ? 'learner' : 'out';
    const open: string[] = [];
    if (current.outgoing.length > 0) open.push('the configuration is joint');
    for (const [id, { voter, replaces }] of records) {
      if (roleOf(id) === 'out' || (voter && roleOf(id) !== 'voter'))
        open.push(`${id} is ${roleOf(id)}, wanted: voter ${voter}`);
      if (voter && replaces !== null && roleOf(id) === 'voter') this.#expected.delete(replaces);
    }
    for (const [id, role] of this.#expected) {
      // A replacement may have taken its place since.
      const replaced = [...records.values()].some(({ replaces }) => replaces === id);
      if (roleOf(id) !== role && !replaced) open.push(`${id} is ${roleOf(id)}, promised: ${role}`);
    }
    return open;
  }

  /** Nodes that are members or are going to be. */
  static involved(current: Configuration | null, records: ReadonlyMap<string, unknown>): string[] {
    return [...new Set([...(current === null ? [] : members(current)), ...records.keys()])];
  }
}
