import { CLOCKS } from './clocks.ts';
import { DATA } from './data.ts';
import { MEMBERS } from './members.ts';
import type { Nemesis } from './nemesis.ts';
import { PARTITIONS } from './partitions.ts';
import { PROCESSES } from './processes.ts';
import { SETTINGS } from './settings.ts';
import { SHAPES } from './shapes.ts';
import { SPACE } from './space.ts';

/** All faults there are. */
export const NEMESES: readonly Nemesis[] = [
  ...PARTITIONS,
  ...SHAPES,
  ...PROCESSES,
  ...CLOCKS,
  ...SPACE,
  ...DATA,
  ...MEMBERS,
  ...SETTINGS,
];
