import { TOPIC_ALIAS_MAXIMUM } from './topic-limits.ts';

/**
 * Topic Aliases towards one client (MQTT 5.0 section 3.3.2.3.4). The first topics that it is sent get one and keep it while the
 * connection lasts [MQTT-3.3.2-7]: never more than the client takes [MQTT-3.1.2-26, -27], nor than are worth remembering.
 */
export class TopicAliases {
  readonly #maximum: number;
  readonly #byTopic = new Map<string, number>();

  /** @param maximum Topic Alias Maximum of the client's CONNECT, 0 for none */
  constructor(maximum: number) {
    this.#maximum = Math.min(maximum, TOPIC_ALIAS_MAXIMUM);
  }

  /** The alias that the client knows, or undefined. */
  get(topic: string): number | undefined {
    return this.#byTopic.get(topic);
  }

  /** The alias that a topic would get, null when all are taken. It has it once `sent` is called. */
  get next(): number | null {
    const { size } = this.#byTopic;
    return size < this.#maximum ? size + 1 : null;
  }

  /** A PUBLISH with the topic and the alias `next` is in front of everything that is sent from here on. */
  sent(topic: string): void {
    this.#byTopic.set(topic, this.#byTopic.size + 1);
  }
}
