export { SnapshotReceiver, type SnapshotReceiverOptions } from './receiver.ts';
export type { Refusal, RefusalCode } from './refusal.ts';
export { SnapshotSender, type SnapshotSenderOptions } from './sender.ts';
export { teeSnapshot } from './tee.ts';
