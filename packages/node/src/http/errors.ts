import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

/** The body of every error. */
export interface ErrorEnvelope {
  /** Stable name, in capitals. */
  readonly code: string;
  /** A sentence for people. */
  readonly reason: string;
}

/** `Payload Too Large` becomes `PAYLOAD_TOO_LARGE`. */
function codeOfStatus(status: number): string {
  return (STATUS_CODES[status] ?? 'Bad Request').toUpperCase().replaceAll(/[^A-Z]+/g, '_');
}

/** What goes wrong inside is for the log only; what the client did wrong is for the client. */
function handleError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    const code = error.validation === undefined ? codeOfStatus(status) : 'INVALID';
    void reply.code(status).send({ code, reason: error.message } satisfies ErrorEnvelope);
    return;
  }
  request.log.error({ err: error, method: request.method, url: request.url }, 'HTTP request failed');
  const body: ErrorEnvelope = {
    code: 'INTERNAL_ERROR',
    reason: 'The request failed inside the node; its log says why',
  };
  void reply.code(500).send(body);
}

function handleNotFound(request: FastifyRequest, reply: FastifyReply): void {
  const path = request.url.split('?', 1)[0] ?? '';
  const reason = `There is no ${request.method} ${path}; /api/v1/openapi.json lists what there is`;
  void reply.code(404).send({ code: 'NOT_FOUND', reason } satisfies ErrorEnvelope);
}

/** A request that never became one: not HTTP, headers too large, too slow. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const envelope: ErrorEnvelope = { code: codeOfStatus(status), reason: 'The request is not valid HTTP or too slow' };
  const body = JSON.stringify(envelope);
  const head = [
    `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${String(Buffer.byteLength(body))}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** A request that the router itself refuses, for example for a malformed escape in its path. */
export function answerFrameworkError(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  const status = error.statusCode ?? 400;
  void reply.code(status).send({ code: codeOfStatus(status), reason: error.message } satisfies ErrorEnvelope);
}

/** Puts every error of the application into the envelope. */
export function useErrorEnvelope(app: FastifyInstance): void {
  app.setErrorHandler(handleError);
  app.setNotFoundHandler(handleNotFound);
}
