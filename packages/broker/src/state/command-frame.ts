import type { ByteWriter } from './bytes.ts';

/**
 * The commands of the replicated state machine as bytes: [type u8][body length u32][body].
 * Types and layouts stand in logs on disk: add new ones, never change what a type means.
 */
export const CommandType = {
  nodeUp: 1,
  nodeDown: 2,
  tick: 3,
  checkpoint: 4,
  connect: 5,
  disconnect: 6,
  subscribe: 7,
  unsubscribe: 8,
  publish: 9,
  pubrel: 10,
  settle: 11,
  clusterInit: 12,
  member: 13,
  document: 14,
  sharedStrategy: 20,
  begin: 21,
  settings: 22,
} as const;
export type CommandType = (typeof CommandType)[keyof typeof CommandType];

/** Writes one command, whatever its body. */
export function command(writer: ByteWriter, type: CommandType, body: () => void): void {
  const at = beginCommand(writer, type);
  body();
  endCommand(writer, at);
}

/** For a body that is written in place. @returns to be given to {@link endCommand} */
export function beginCommand(writer: ByteWriter, type: CommandType): number {
  writer.u8(type);
  writer.u32(0);
  return writer.length;
}

export function endCommand(writer: ByteWriter, at: number): void {
  writer.patchU32(at - 4, writer.length - at);
}
