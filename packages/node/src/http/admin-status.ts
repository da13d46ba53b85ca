/**
 * The HTTP status of each refusal of a change. 409 is said where the same request may be right later or with another
 * cluster; 503 where asking again is all there is to do.
 */
const STATUS_OF_CODE = {
  INVALID: 400,
  NOT_A_MEMBER: 404,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ALREADY_A_MEMBER: 409,
  CHANGE_IN_PROGRESS: 409,
  LAST_VOTER: 409,
  LIMIT_REACHED: 409,
  QUORUM_UNREACHABLE: 409,
  PEER_UNREACHABLE: 502,
  LEADERSHIP_LOST: 503,
  NO_LEADER: 503,
  NOT_AVAILABLE: 503,
  NOT_READY: 503,
  TIMEOUT: 504,
} as const;

/** What a refused change is answered with. */
export type AdminErrorStatus = (typeof STATUS_OF_CODE)[keyof typeof STATUS_OF_CODE] | 500;

/** The HTTP status of a refusal; 500 for a code that is not in the table. */
export function statusOfAdminCode(code: string): AdminErrorStatus {
  return Object.hasOwn(STATUS_OF_CODE, code) ? STATUS_OF_CODE[code as keyof typeof STATUS_OF_CODE] : 500;
}
