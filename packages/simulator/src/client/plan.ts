/** What one client does all day. Everything that it does not say is left to chance. */
export interface ClientPlan {
  readonly clientId: string;
  /** 3.1.1 or 5.0. */
  readonly version: 4 | 5;
  /** A new session with every connection. */
  readonly clean: boolean;
  /** How long the session outlives its connection; null for ever. Only with version 5. */
  readonly expirySec: number | null;
  readonly subscriptions: readonly { readonly filter: string; readonly qos: 0 | 1 | 2 }[];
  readonly publishes: PublishPlan | null;
  readonly will: {
    readonly topic: string;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
    readonly delaySec: number;
  } | null;
  /** Subscribes and unsubscribes again and again. */
  readonly churns: boolean;
  /** Reads retained registers: subscribes, waits for what comes, unsubscribes. */
  readonly reads: readonly string[];
  /** At which QoS: what comes at QoS 1 waits for what the client has not acknowledged, and the answer to a ping does not. */
  readonly readQos: readonly (0 | 1)[];
  /** Who churns or reads does so about this often. */
  readonly everyMs: number;
  /** Goes away on its own about this often, and how: most of the time without saying goodbye. */
  readonly leavesEveryMs: number;
  /** Connects again after at most this time, mostly much sooner. */
  readonly longestRetryMs: number;
  /** Shares its client id with others, which all connect again and again. */
  readonly contends: boolean;
}

export interface PublishPlan {
  readonly topics: readonly string[];
  readonly qos: readonly (0 | 1 | 2)[];
  readonly everyMs: number;
  /** Up to so many each time; with 1 a few all the same, now and then. */
  readonly atOnce: number;
  /** Not acknowledged at one time. */
  readonly window: number;
  readonly retain: boolean;
  /** Message Expiry Intervals to choose from, 0 for none; with version 5 only. */
  readonly expirySec?: readonly number[];
}
