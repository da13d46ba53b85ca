import type { ClusterView } from '@quorate/node';
import { fetchCluster, reasonOf } from './api.ts';
import { CommandError } from './command-error.ts';
import { UsageError } from './usage-error.ts';

/** Where `quorate dev` and a node with the default ports are. */
const DEFAULT_URLS = ['http://127.0.0.1:18083', 'http://127.0.0.1:18084', 'http://127.0.0.1:18085'];

/** A node that answers, and what it says. */
export interface FoundNode {
  readonly url: string;
  readonly cluster: ClusterView;
}

function checkUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return url.href;
  throw new UsageError(`flag --url is ${JSON.stringify(given)}: expected a URL, for example ${DEFAULT_URLS[0] ?? ''}`);
}

/**
 * The node that --url names, or the first of the usual ones that answers.
 *
 * @throws {UsageError} when `given` is no URL
 * @throws {CommandError} when nobody answers
 */
export async function findNode(given: string | undefined): Promise<FoundNode> {
  if (given !== undefined) {
    const url = checkUrl(given);
    return { url, cluster: await fetchCluster(url) };
  }
  const reasons: string[] = [];
  for (const url of DEFAULT_URLS) {
    try {
      return { url, cluster: await fetchCluster(url) };
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  throw new CommandError(`no node found: ${reasons.join('; ')}. Name one with --url`);
}
