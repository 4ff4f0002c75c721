// What we ask VoiceHive Identity: decisions and hotels, with our API key, in as few requests as can be.

import { graphql } from "./generated/gql.js";
import type { AccessCheck, AccessReason } from "./generated/graphql.js";
import { Kept } from "./kept.js";

export interface Decision {
  allowed: boolean;
  reason: AccessReason;
}

// The types of variables and answers are made from these documents by `npm run generate`.
const checkAccess = graphql(`
  query CheckAccess($checks: [AccessCheck!]!) {
    checkAccess(checks: $checks) {
      allowed
      reason
    }
  }
`);

const accessibleHotels = graphql(`
  query AccessibleHotels($user: ID!, $permission: String, $after: String) {
    accessibleHotels(user: $user, permission: $permission, first: 100, after: $after) {
      nodes {
        pmsHotelId
        name
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** The service could not answer, or refused to: nothing was decided, so nothing is allowed. */
export class IdentityError extends Error {
  constructor(
    message: string,
    readonly code: string,
    /** Seconds until asking again can help. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string; retryAfter?: number } }[];
}

/** What a document is, whatever it asks for: its text, and the types of its answer and variables. */
interface Document<Data, Variables> {
  toString(): string;
  __apiType?: (variables: Variables) => Data;
}

interface Waiting {
  check: AccessCheck;
  resolve: (decision: Decision) => void;
  reject: (error: unknown) => void;
}

export class Identity {
  /** Decisions are kept for five seconds, as the documentation of the API advises; refusals to answer never. */
  readonly #decisions: Kept<Decision>;
  #waiting: Waiting[] = [];

  constructor(
    private readonly url: string,
    private readonly apiKey: string,
    now: () => number = Date.now,
  ) {
    this.#decisions = new Kept(5_000, 10_000, now);
  }

  /** May this user do this at this hotel? Questions that come together go in one request. */
  may(user: string, permission: string, hotel: string): Promise<Decision> {
    // What can be no hotel would spoil the request for all who share it.
    if (!/^[^\u0000-\u001f\u007f]{1,100}$/.test(hotel)) {
      return Promise.resolve({ allowed: false, reason: "NO_SUCH_HOTEL" });
    }
    const key = JSON.stringify([user, permission, hotel]);
    return this.#decisions.get(key, () => {
      const check = { user: `user:${user}`, permission, hotel: `hotel:${hotel}` };
      return new Promise((resolve, reject) => {
        this.#waiting.push({ check, resolve, reject });
        if (this.#waiting.length === 1) setImmediate(() => void this.#ask());
      });
    });
  }

  async #ask(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    // Each thing once: the service refuses to be asked the same twice in one call.
    const byCheck = new Map<string, Waiting[]>();
    for (const one of waiting) {
      const key = JSON.stringify(one.check);
      byCheck.set(key, [...(byCheck.get(key) ?? []), one]);
    }
    const groups = [...byCheck.values()];
    // One call takes a thousand checks.
    for (let start = 0; start < groups.length; start += 1000) {
      await this.#askFor(groups.slice(start, start + 1000));
    }
  }

  async #askFor(groups: Waiting[][]): Promise<void> {
    try {
      const checks = groups.flatMap(([first]) => (first ? [first.check] : []));
      const { checkAccess: decisions } = await this.#run(checkAccess, { checks });
      groups.forEach((group, place) => {
        const decision = decisions[place];
        for (const one of group) {
          if (decision) one.resolve(decision);
          else one.reject(new IdentityError("an answer is missing", "INTERNAL"));
        }
      });
    } catch (error) {
      // One of them cannot be asked at all: the others need not suffer for it.
      if (error instanceof IdentityError && error.code === "BAD_USER_INPUT" && groups.length > 1) {
        await Promise.all(groups.map((group) => this.#askFor([group])));
        return;
      }
      groups.flat().forEach((one) => one.reject(error));
    }
  }

  /** The hotels at which this user may do this; null where there is no such user. */
  async hotels(user: string, permission?: string): Promise<{ pmsHotelId: string; name: string }[] | null> {
    const hotels = [];
    let after: string | undefined;
    for (;;) {
      const variables = { user: `user:${user}`, permission, after };
      const { accessibleHotels: page } = await this.#run(accessibleHotels, variables);
      if (!page) return null;
      hotels.push(...page.nodes);
      if (!page.pageInfo.hasNextPage || !page.pageInfo.endCursor) return hotels;
      after = page.pageInfo.endCursor;
    }
  }

  async #run<Data, Variables>(document: Document<Data, Variables>, variables: Variables): Promise<Data> {
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json",
        "x-api-key": this.apiKey,
      },
      body: JSON.stringify({ query: document.toString(), variables }),
      signal: AbortSignal.timeout(5_000),
    });
    const answer = (await response.json()) as Answer<Data>;
    const error = answer.errors?.[0];
    if (error || !answer.data) {
      const { code = "INTERNAL", retryAfter } = error?.extensions ?? {};
      throw new IdentityError(error?.message ?? `status ${response.status}`, code, retryAfter);
    }
    return answer.data;
  }
}
