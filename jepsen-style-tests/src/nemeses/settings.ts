import type { ClusterSettings } from '../cluster/cluster.ts';
import type { Random } from '../random.ts';
import { inBackground, pause } from './background.ts';
import type { Nemesis, NemesisContext } from './nemesis.ts';

/*
 * What operators tell the whole cluster while it works. It is replicated state: all nodes have to go by it from one place in the
 * log on.
 */

const CHANGE_EVERY_MS = 400;
/** So long may a ready node take to apply what another one has answered. */
const AGREE_TIMEOUT_MS = 5_000;
const AGREE_ROUND_MS = 100;

/**
 * What is changed, and to what. No value is reached by what workloads gather, or what is refused and dropped then would be right
 * and prove nothing: except that of shared messages in flight, beyond which a message waits in its group and is given out when
 * there is room again. A full queue's policy and a strategy are never a reason to lose anything.
 */
const VALUES: Readonly<Record<string, readonly (string | number)[]>> = {
  sessions: [100_000, 16_000_000],
  queuedMessagesPerSession: [50_000, 10_000_000],
  queuedBytesPerSession: [2 ** 26, 2 ** 34],
  sharedInflightPerSession: [1, 3, 65_535],
  queuedMessagesPerGroup: [50_000, 10_000_000],
  queuedBytesPerGroup: [2 ** 26, 2 ** 34],
  retainedMessages: [100_000, 16_000_000],
  retainedBytes: [2 ** 26, 2 ** 40],
  documentsPerCollection: [100, 1_000_000],
  fullQueuePolicy: ['drop_oldest', 'drop_newest'],
  sharedSubscriptionStrategy: ['sticky', 'hash_topic', 'hash_client_id', 'round_robin'],
};
const NAMES = Object.keys(VALUES);

/** One to three settings at once, one of them that of shared messages every other time. */
function draw(random: Random): ClusterSettings {
  const names = random.shuffled(NAMES).slice(0, 1 + random.below(3));
  if (random.chance(50)) names.push('sharedInflightPerSession');
  return Object.fromEntries(names.map((name) => [name, random.pick(VALUES[name] ?? [])]));
}

/** What it was before; null while some node does not know all of it: an older build stops when it meets such a change. */
async function settingsBefore({ cluster }: NemesisContext): Promise<ClusterSettings | null> {
  const seen = await Promise.all(cluster.nodes.map(async (node) => cluster.settingsOf?.(node.id)));
  const known = seen.filter((each) => each !== null && each !== undefined);
  const mayBeOlder = (cluster.builds?.length ?? 1) > 1 && known.length < seen.length;
  const [first] = known;
  if (first === undefined || mayBeOlder || known.some((each) => NAMES.some((name) => !(name in each)))) return null;
  return Object.fromEntries(NAMES.map((name) => [name, first[name] as string | number]));
}

/** Tells nodes, in an order of chance, until one takes it; `unknown` when it may have happened or may yet. */
async function tell(context: NemesisContext, random: Random, change: ClusterSettings): Promise<string> {
  const { cluster } = context;
  const asked = random.shuffled(cluster.nodes.filter((node) => node.running)).map((node) => node.id);
  let outcome = 'refused';
  for (const id of asked) {
    outcome = (await cluster.changeSettings?.(id, change)) ?? 'refused';
    if (outcome !== 'refused') break;
  }
  return outcome;
}

/** @throws when a node that is ready goes by something else than what was answered as done */
async function allGoBy({ cluster }: NemesisContext, wanted: ClusterSettings): Promise<void> {
  for (let leftMs = AGREE_TIMEOUT_MS; ; leftMs -= AGREE_ROUND_MS) {
    const wrong: string[] = [];
    for (const { id } of cluster.nodes) {
      const seen = (await cluster.isReady?.(id)) === true ? await cluster.settingsOf?.(id) : null;
      if (seen === null || seen === undefined) continue;
      for (const [name, value] of Object.entries(wanted)) {
        if (seen[name] !== value) wrong.push(`${id} goes by ${name} ${String(seen[name])}, not ${String(value)}`);
      }
    }
    if (wrong.length === 0) return;
    if (leftMs <= 0) throw new Error(wrong.join('; '));
    await pause(AGREE_ROUND_MS, AbortSignal.timeout(AGREE_TIMEOUT_MS));
  }
}

const changedSettings: Nemesis = {
  name: 'changed settings',
  touches: 'settings',
  unavailable: ({ cluster }) =>
    cluster.changeSettings === undefined ? 'it has no settings of the whole cluster that can be changed' : null,
  begin: async (context, random) => {
    const before = await settingsBefore(context);
    if (before === null) return null;
    let unknown = 0;
    const changes = inBackground(async (signal) => {
      for (;;) {
        if ((await tell(context, random, draw(random))) === 'unknown') unknown++;
        await pause(CHANGE_EVERY_MS, signal);
      }
    });
    return {
      detail: `limits of the cluster, and more, are changed at any node every ${String(CHANGE_EVERY_MS)} ms, and back at the end`,
      nodes: [],
      end: async () => {
        await changes.end();
        // Another fault may go on, so that there is no majority now. No value loses anything: it may stay.
        const back = await tell(context, random, before);
        if (back !== 'done') context.note(`to change the settings back was ${back}: they may be others`);
        // What came of a change without an answer may be seen only now.
        else if (unknown === 0) await allGoBy(context, before);
      },
    };
  },
};

/** What is told to the whole cluster. */
export const SETTINGS: readonly Nemesis[] = [changedSettings];
