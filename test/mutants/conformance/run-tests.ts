import { type ChildProcess, fork } from 'node:child_process';
import type { HostRequest } from './stand-in/host.ts';
import type { FileRun } from './stand-in/suite.ts';

export interface RunOptions {
  /** Of each cluster. */
  readonly nodes: number;
  /** How long an answer may take. */
  readonly patienceMs: number;
}

const FILE_TIMEOUT_MS = 240_000;
/** What was loaded for a mutant stays in memory as long as the process. */
const RUNS_PER_PROCESS = 30;

/** Runs tests of test/conformance out of copies of the checkout: test and broker both are the copy's. */
export class Runner {
  readonly #program: string;
  readonly #options: RunOptions;
  #child: ChildProcess | null = null;
  #runs = 0;

  /** @param program the compiled stand-in/host.ts */
  constructor(program: string, options: RunOptions) {
    this.#program = program;
    this.#options = options;
  }

  #host(): ChildProcess {
    if (this.#child !== null && this.#runs++ < RUNS_PER_PROCESS) return this.#child;
    this.close();
    this.#runs = 0;
    const { nodes, patienceMs } = this.#options;
    this.#child = fork(this.#program, [], {
      execArgv: [],
      env: {
        QUORATE_DISK__BALLAST_BYTES: '0',
        ...process.env,
        QUORATE_TEST_NODES: String(nodes),
        QUORATE_TEST_PATIENCE_MS: String(patienceMs),
      },
    });
    return this.#child;
  }

  /** One after the other. With an empty `only`, all tests of the file. */
  run(request: HostRequest): Promise<FileRun> {
    const child = this.#host();
    return new Promise((resolve) => {
      const end = (run: FileRun): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (run.fault !== null) this.close();
        resolve(run);
      };
      const timer = setTimeout(() => {
        end({ results: [], fault: `${FILE_TIMEOUT_MS / 1000} s were not enough` });
      }, FILE_TIMEOUT_MS);
      child.on('message', (run) => end(run as FileRun));
      child.on('exit', (code, signal) => end({ results: [], fault: `the process ended with ${code ?? signal ?? ''}` }));
      child.on('error', (error) => end({ results: [], fault: error.message }));
      child.send(request);
    });
  }

  close(): void {
    this.#child?.kill('SIGKILL');
    this.#child = null;
  }
}
