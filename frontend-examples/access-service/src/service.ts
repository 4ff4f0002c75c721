// The service itself: it begins calls at hotels, for users who may.

import { errors } from "jose";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Identity, IdentityError } from "./identity.js";
import { tokenCheck, type Bearer } from "./tokens.js";

export interface Options {
  /** Where VoiceHive Identity is. */
  identityUrl: string;
  apiKey: string;
  issuer: string;
  audience: string;
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

function decoded(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part);
  } catch {
    throw new Refusal(400, "the path cannot be read");
  }
}

/** GET /hotels: where the bearer may begin calls. POST /hotels/{id}/calls: begins one. */
export function service(options: Options): Server {
  const identity = new Identity(options.identityUrl, options.apiKey);
  const check = tokenCheck(options.identityUrl, options.issuer, options.audience);

  async function bearer(request: IncomingMessage): Promise<Bearer> {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (!token) throw new Refusal(401, "send an access token");
    return check(token).catch((error: unknown) => {
      // That the keys cannot be had says nothing about the token.
      if (error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError)) throw error;
      throw new Refusal(401, "the access token does not hold");
    });
  }

  async function answer(request: IncomingMessage): Promise<[number, unknown]> {
    const { user } = await bearer(request);
    const path = new URL(request.url ?? "/", "http://here").pathname;
    if (request.method === "GET" && path === "/hotels") {
      return [200, { hotels: (await identity.hotels(user, "call:start")) ?? [] }];
    }
    const hotel = decoded(/^\/hotels\/([^/]+)\/calls$/.exec(path)?.[1]);
    if (request.method === "POST" && hotel) {
      const decision = await identity.may(user, "call:start", hotel);
      if (!decision.allowed) throw new Refusal(403, decision.reason);
      return [201, { hotel, by: user }];
    }
    throw new Refusal(404, "GET /hotels, or POST /hotels/{id}/calls");
  }

  function send(response: ServerResponse, status: number, body: unknown): void {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }

  return createServer((request, response) => {
    request.resume();
    answer(request).then(
      ([status, body]) => send(response, status, body),
      (error: unknown) => {
        if (error instanceof Refusal) return send(response, error.status, { error: error.message });
        // Whoever cannot be asked has not said yes.
        const wait = error instanceof IdentityError ? error.retryAfter : undefined;
        if (wait) response.setHeader("retry-after", wait);
        console.error(error instanceof Error ? error.message : error);
        send(response, 503, { error: "access cannot be decided at the moment" });
      },
    );
  });
}
