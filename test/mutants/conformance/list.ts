import { EXCHANGES } from './authentication.ts';
import { CONNECT } from './connect.ts';
import { DELIVERY } from './delivery.ts';
import { DIALECTS } from './dialects.ts';
import { DOCUMENT } from './document.ts';
import { FORMAT } from './format.ts';
import { FORMAT_FIELDS } from './format-fields.ts';
import type { Planted } from './planted.ts';
import { PUBLISH } from './publish.ts';
import { RETAINED } from './retained.ts';
import { SESSION } from './session.ts';
import { SHARED } from './shared.ts';
import { SUBSCRIBE } from './subscribe.ts';

/** All planted bugs that the conformance tests have to find. */
export const CONFORMANCE: readonly Planted[] = [
  ...CONNECT,
  ...FORMAT,
  ...FORMAT_FIELDS,
  ...PUBLISH,
  ...RETAINED,
  ...DELIVERY,
  ...SESSION,
  ...SUBSCRIBE,
  ...SHARED,
  ...DIALECTS,
  ...EXCHANGES,
  ...DOCUMENT,
];
