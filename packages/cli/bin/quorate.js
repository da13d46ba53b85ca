#!/usr/bin/env node
'use strict';

/*
 * CommonJS on purpose (see package.json beside it): Node 20 reads an ES module entry through libuv's thread pool, which
 * fixes the pool's size at 4 before the module's first line runs. LevelDB's synced writes hold pool threads, so a node
 * gets 8, unless the environment says otherwise.
 */
process.env.UV_THREADPOOL_SIZE ||= '8';

// The package by its own name: the build, or the sources under --conditions=source.
import('@quorate/cli').then(
  ({ main }) =>
    main(process.argv.slice(2)).then((exitCode) => {
      process.exit(exitCode);
    }),
  (error) => {
    if (error?.code === 'ERR_MODULE_NOT_FOUND' && String(error.message).includes('dist')) {
      process.stderr.write('quorate: not built yet, run `npm run build` first\n');
      process.exit(1);
    }
    throw error;
  },
);
