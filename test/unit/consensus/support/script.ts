/** The commands of transcripts: a cluster in which nothing happens unless a line says so. */
import {
  type Configuration,
  type CoreOptions,
  type Entry,
  EntryType,
  hasQuorum,
  type Input,
  type Message,
  type NodeId,
  quorumValue,
  voteOutcome,
} from '@quorate/consensus';
import { Disk } from './disk.ts';
import { OPTIONS } from './harness.ts';
import { showEntries, showMessage, showStatus } from './script-format.ts';
import { ScriptNode } from './script-node.ts';

interface Flying {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
}

/** The words of a command: plain ones in order, and those of the form key=value. */
class Words {
  readonly plain: string[] = [];
  readonly #named = new Map<string, string>();

  constructor(words: readonly string[]) {
    for (const word of words) {
      const at = word.indexOf('=');
      if (at > 0) this.#named.set(word.slice(0, at), word.slice(at + 1));
      else this.plain.push(word);
    }
  }

  at(position: number): string {
    const word = this.plain[position];
    if (word === undefined) throw new Error(`word ${position + 1} is missing`);
    return word;
  }

  named(key: string): string | undefined {
    return this.#named.get(key);
  }

  list(key: string): string[] {
    const value = this.#named.get(key);
    return value === undefined || value === '' ? [] : value.split(',');
  }

  /** From `a:1,b:2`. */
  map(key: string): Map<string, string> {
    return new Map(this.list(key).map((pair) => pair.split(':') as [string, string]));
  }

  configuration(): Configuration {
    return { voters: this.list('voters'), learners: this.list('learners'), outgoing: this.list('outgoing') };
  }

  options(): Partial<CoreOptions> {
    const options: Record<string, number> = {};
    for (const [key, value] of this.#named) if (key in OPTIONS || key.endsWith('Ms')) options[key] = Number(value);
    return options;
  }
}

/** One transcript's world. */
export class Script {
  readonly #nodes = new Map<NodeId, ScriptNode>();
  #flying: Flying[] = [];
  #lines: string[] = [];
  #cut = new Set<NodeId>();
  readonly #commands: Record<string, (words: Words) => void>;

  constructor() {
    this.#commands = {
      cluster: (words) => this.#cluster(words),
      node: (words) => this.#replace(words),
      elect: (words) => this.#elect(this.#node(words)),
      tick: (words) => this.#tick(this.#node(words), Number(words.plain[1] ?? 1)),
      timeout: (words) => this.#timeout(this.#node(words)),
      deliver: (words) => this.#deliver(words),
      settle: (words) => this.#settle(words),
      lose: (words) => this.#lose(words),
      cut: (words) => words.plain.forEach((id) => this.#cut.add(id)),
      heal: () => this.#cut.clear(),
      propose: (words) => this.#propose(words),
      wait: (words) => this.#wait(Number(words.at(0))),
      read: (words) => this.#read(words),
      disk: (words) => void (this.#node(words).manualDisk = words.at(1) === 'manual'),
      written: (words) => this.#written(this.#node(words)),
      crash: (words) => void (this.#node(words).up = false),
      restart: (words) => this.#restart(this.#node(words)),
      peerLost: (words) => this.#step(this.#node(words), { kind: 'peerLost', peer: words.at(1) }),
      stalled: (words) => this.#step(this.#node(words), { kind: 'storageStalled' }),
      transfer: (words) => this.#step(this.#node(words), { kind: 'transferLeadership', to: words.plain[1] ?? null }),
      ask: (words) => this.#ask(words),
      change: (words) => this.#change(words),
      compact: (words) => this.#compact(this.#node(words), Number(words.at(1))),
      snapshot: (words) => this.#snapshot(words),
      inject: (words) => this.#inject(words),
      status: (words) => this.#each(words, (node) => this.#showStatus(node)),
      log: (words) => this.#each(words, (node) => this.#showLog(node)),
      quorum: (words) =>
        this.#say(hasQuorum(words.configuration(), (id) => words.list('of').includes(id)) ? 'yes' : 'no'),
      committed: (words) =>
        this.#say(String(quorumValue(words.configuration(), (id) => Number(words.map('match').get(id))))),
      votes: (words) => this.#votes(words),
    };
  }

  /** Runs one line and gives what it says. An error of the core is an answer too. */
  run(line: string): string[] {
    const [name, ...words] = line.split(/\s+/);
    const command = this.#commands[name as string];
    if (command === undefined) throw new Error(`unknown command: ${line}`);
    this.#lines = [];
    try {
      command(new Words(words));
    } catch (error) {
      // What the core refuses belongs to the transcript.
      if ((error as Error).name !== 'InvariantError') throw new Error(`${line}: ${String(error)}`, { cause: error });
      this.#say(`error: ${(error as Error).message}`);
    }
    return this.#lines;
  }

  #say(line: string): void {
    this.#lines.push(line);
  }

  #node(words: Words): ScriptNode {
    const node = this.#nodes.get(words.at(0));
    if (node === undefined) throw new Error(`no node ${words.at(0)}`);
    return node;
  }

  #each(words: Words, show: (node: ScriptNode) => void): void {
    const ids = words.plain.length > 0 ? words.plain : [...this.#nodes.keys()];
    for (const id of ids) show(this.#nodes.get(id) as ScriptNode);
  }

  #cluster(words: Words): void {
    this.#nodes.clear();
    this.#cut.clear();
    this.#flying = [];
    const configuration = words.configuration();
    const { voters, learners, outgoing } = configuration;
    for (const id of new Set([...voters, ...outgoing, ...learners])) this.#add(id, new Disk(configuration), words);
    // A node that is to join knows of nobody.
    for (const id of words.list('spares')) this.#add(id, new Disk({ voters: [], learners: [], outgoing: [] }), words);
  }

  /** A node with a history: its log by terms, its term and vote. */
  #replace(words: Words): void {
    const old = this.#node(words);
    const disk = new Disk(old.disk.checkpoint.configuration);
    words.list('log').forEach((term, at) => disk.entries.push(entryOf(at + 1, Number(term))));
    disk.hardState = {
      term: Number(words.named('term') ?? disk.entries.at(-1)?.term ?? 0),
      vote: words.named('vote') ?? null,
    };
    this.#nodes.set(old.id, new ScriptNode(old.options, disk, (line) => this.#say(line)));
  }

  #add(id: NodeId, disk: Disk, words: Words): void {
    const options = { ...OPTIONS, ...words.options(), id, seed: id.charCodeAt(1) };
    this.#nodes.set(id, new ScriptNode(options, disk, (line) => this.#say(line)));
  }

  #step(node: ScriptNode, input: Input): void {
    node.step(input, (to, message) => this.#flying.push({ from: node.id, to, message }));
  }

  #drain(node: ScriptNode): void {
    node.drain((to, message) => this.#flying.push({ from: node.id, to, message }));
  }

  #tick(node: ScriptNode, forMs: number): void {
    for (let ms = 0; ms < forMs; ms++) this.#step(node, { kind: 'tick', nowMs: ++node.nowMs });
  }

  #timeout(node: ScriptNode): void {
    const { role } = node.core.status();
    for (let ms = 0; ms < 400 && node.core.status().role === role; ms++) this.#tick(node, 1);
  }

  /** Time passes for all, messages travelling meanwhile. */
  #wait(forMs: number): void {
    for (let ms = 0; ms < forMs; ms++) {
      for (const node of this.#nodes.values()) if (node.up) this.#tick(node, 1);
      this.#settle(new Words([]), true);
    }
  }

  /** Makes a node the leader, its clock running alone, and says only that. */
  #elect(node: ScriptNode): void {
    for (let ms = 0; ms < 1000 && node.core.status().role !== 'leader'; ms++) {
      this.#tick(node, 1);
      this.#settle(new Words([]), true);
    }
    this.#settle(new Words([]), true);
    const { role, term } = node.core.status();
    this.#lines = [`${node.id}: ${role}, term ${term}`];
  }

  /** Reads asked for at one moment. */
  #read(words: Words): void {
    const node = this.#node(words);
    for (const id of words.plain.slice(1)) node.core.step({ kind: 'readIndex', id: Number(id) });
    this.#drain(node);
  }

  #deliver(words: Words, quiet = false): boolean {
    const count = Number(words.named('count') ?? Infinity);
    const chosen = this.#flying.filter((each) => isChosen(each, words)).slice(0, count);
    this.#flying = this.#flying.filter((each) => !chosen.includes(each));
    this.#arrive(chosen, quiet);
    return chosen.length > 0;
  }

  #arrive(messages: readonly Flying[], quiet: boolean): void {
    for (const { from, to, message } of messages) {
      const node = this.#nodes.get(to);
      const lost = node?.up !== true || this.#cut.has(from) || this.#cut.has(to);
      if (!quiet) this.#say(`${from} > ${to}: ${showMessage(message)}${lost ? ' -- lost' : ''}`);
      if (!lost) this.#step(node, { kind: 'message', from, message });
    }
  }

  #settle(words: Words, quiet = words.plain.includes('quietly')): void {
    const rest = new Words(words.plain.filter((word) => word !== 'quietly'));
    for (let count = 0; this.#deliver(rest, quiet); count++) if (count > 100) throw new Error('never settles');
  }

  #lose(words: Words): void {
    for (const each of this.#flying) {
      if (isChosen(each, words)) this.#say(`${each.from} > ${each.to}: ${showMessage(each.message)} -- lost`);
    }
    this.#flying = this.#flying.filter((each) => !isChosen(each, words));
  }

  #propose(words: Words): void {
    const node = this.#node(words);
    for (const text of words.plain.slice(1)) {
      node.core.step({ kind: 'propose', data: Buffer.from(text), stampMs: 0 });
    }
    this.#drain(node);
  }

  #written(node: ScriptNode): void {
    node.finishWrite();
    this.#drain(node);
  }

  #restart(node: ScriptNode): void {
    node.up = true;
    node.boot();
    this.#say(showStatus(node.core.status())[0] as string);
  }

  /** A change, and what the voters answer to the question that goes before it. */
  #change(words: Words): void {
    const earlier = new Set(this.#flying);
    this.#ask(words);
    for (const kind of ['heartbeat', 'heartbeatResponse']) {
      const chosen = this.#flying.filter((each) => !earlier.has(each) && each.message.kind === kind);
      this.#flying = this.#flying.filter((each) => !chosen.includes(each));
      this.#arrive(chosen, true);
    }
  }

  #ask(words: Words): void {
    const { voters, learners } = words.configuration();
    const id = Number(words.named('id') ?? 1);
    const memberTags = Object.fromEntries(words.map('tags'));
    this.#step(this.#node(words), { kind: 'changeMembership', id, voters, learners, memberTags });
  }

  /** The state machine is stored as far as it is applied, and the log up to `index` dropped. */
  #compact(node: ScriptNode, index: number): void {
    node.disk.checkpoint = { index: node.appliedIndex, configuration: node.core.configurationAt(node.appliedIndex) };
    this.#step(node, { kind: 'compacted', index, term: node.disk.compact(index) });
  }

  /** The stored state of one node goes to another. */
  #snapshot(words: Words): void {
    const from = this.#node(words);
    const to = this.#nodes.get(words.at(1)) as ScriptNode;
    const snapshot = from.disk.snapshot();
    const { index, term } = snapshot;
    if (words.plain[2] !== 'breaks') {
      this.#step(to, { kind: 'snapshotReceiving', from: from.id, term: from.core.status().term });
      if (to.core.acceptsSnapshot(index)) {
        this.#say(`${to.id}: installs a snapshot of ${index}/${term}`);
        to.disk.install(snapshot);
        to.appliedIndex = index;
        this.#step(to, { kind: 'snapshotInstalled', ...snapshot });
      } else {
        this.#say(`${to.id}: has no use for a snapshot of ${index}/${term}`);
        if (words.plain[2] === 'anyway') this.#step(to, { kind: 'snapshotInstalled', ...snapshot });
      }
    }
    this.#step(from, { kind: 'snapshotSent', peer: to.id, index, term, ok: words.plain[2] !== 'breaks' });
  }

  /** A message out of thin air: kind, then fields as JSON values. */
  #inject(words: Words): void {
    const [from, to] = words.at(0).split('>') as [NodeId, NodeId];
    const fields: Record<string, unknown> = JSON.parse(words.at(1)) as Record<string, unknown>;
    const message = fields as unknown as Message;
    this.#say(`${from} > ${to}: ${showMessage(message)}`);
    this.#step(this.#nodes.get(to) as ScriptNode, { kind: 'message', from, message });
  }

  #showStatus(node: ScriptNode): void {
    if (node.up) for (const line of showStatus(node.core.status())) this.#say(line);
    else this.#say(`${node.id}: down`);
  }

  #showLog(node: ScriptNode): void {
    const { disk } = node;
    this.#say(`${node.id}: after ${disk.base.index}/${disk.base.term}: ${showEntries(disk.entries)}`);
  }

  #votes(words: Words): void {
    const answers = new Map([...words.map('answers')].map(([id, answer]) => [id, answer === 'yes']));
    this.#say(voteOutcome(words.configuration(), answers));
  }
}

function entryOf(index: number, term: number): Entry {
  return { index, term, type: EntryType.data, stampMs: 0, data: Buffer.from(`t${term}`) };
}

/** By `n1>n2`, `n1>` or `>n2`, any of them; all messages without. */
function isChosen({ from, to }: Flying, words: Words): boolean {
  if (words.plain.length === 0) return true;
  return words.plain.some((word) => [`${from}>${to}`, `${from}>`, `>${to}`].includes(word));
}
