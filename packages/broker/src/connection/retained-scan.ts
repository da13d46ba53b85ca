import { topicMatches } from '@quorate/protocol';
import {
  type LogCursor,
  type Message,
  newCursor,
  type RetainedMessages,
  type RetainedRequest,
} from '../state/index.ts';

/**
 * The retained messages that one SUBSCRIBE brings to a client of this node, when there may be so many that they are
 * read a few at a time: those that were there at its place in the log. One that is about to be replaced, or overtaken
 * by a newer message of its topic, is sent before that (`takeEarly`), so neither is lost nor comes in the wrong order.
 */
export class RetainedScan {
  readonly request: RetainedRequest;
  readonly #cursor: LogCursor = newCursor();
  /** Ids in front of the cursor that were taken early and are still retained. */
  readonly #early = new Set<number>();

  constructor(request: RetainedRequest) {
    this.request = request;
  }

  /** The next message, one that does not concern the request included; null at the end. */
  next(retained: RetainedMessages): Message | null {
    const message = retained.next(this.#cursor);
    return message === null || message.id >= this.request.endId ? null : message;
  }

  /** Whether a message that `next` gave is to be sent. */
  wants(message: Message): boolean {
    return topicMatches(this.request.filter, message.topic) && !this.#early.delete(message.id);
  }

  /** Whether the message is still to come. It counts as sent from here on. */
  takeEarly(message: Message): boolean {
    const { id, topic } = message;
    if (id <= this.#cursor.afterId || id >= this.request.endId || this.#early.has(id)) return false;
    if (!topicMatches(this.request.filter, topic)) return false;
    this.#early.add(id);
    return true;
  }
}
