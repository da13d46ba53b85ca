/** `npx` and some shells pass a Ctrl-C on that the terminal has already sent: one key press arrives twice. */
const SAME_REQUEST_MS = 500;

/** Waits for the first request to stop; hands later ones to `again`. */
export interface StopSignal {
  /**
   * Resolves at the first SIGINT, SIGTERM or SIGHUP (unless that reloads), or when the parent that holds our IPC
   * channel is gone.
   */
  readonly requested: Promise<void>;
  /** Stops listening. */
  dispose(): void;
}

/**
 * @param again called for a signal that comes well after the first one: the user does not want to wait
 * @param reload called for SIGHUP instead, which asks a service to read its files again. On a terminal the signal says
 *   that the terminal is gone, and stays a request to stop
 */
export function listenForStop(again: () => void, reload?: () => void): StopSignal {
  const { promise: requested, resolve } = makeDeferred();
  let firstAtMs: number | undefined;
  const onSignal = (): void => {
    const nowMs = performance.now();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      resolve();
    } else if (nowMs - firstAtMs >= SAME_REQUEST_MS) again();
  };
  const onHangUp = reload === undefined || process.stdin.isTTY ? onSignal : reload;
  const signals = ['SIGINT', 'SIGTERM'] as const;
  process.on('SIGHUP', onHangUp);
  for (const signal of signals) process.on(signal, onSignal);
  // `quorate dev` holds a channel to its nodes: when it is killed, they stop instead of holding its ports.
  if (process.channel !== undefined) process.once('disconnect', resolve);
  return {
    requested,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal);
      process.off('SIGHUP', onHangUp);
      process.off('disconnect', resolve);
    },
  };
}

function makeDeferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
