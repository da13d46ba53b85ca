/** Version of the records that this release writes, and the newest that it reads. */
export const MACHINE_VERSION = 1;
