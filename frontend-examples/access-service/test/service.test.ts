// The service against the real VoiceHive Identity, whose URL the environment says. It is a server of its own, made for the test.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { Identity, IdentityError } from "../src/identity.js";
import { Kept } from "../src/kept.js";
import { service } from "../src/service.js";

const identityUrl = process.env["IDENTITY_URL"] ?? "http://127.0.0.1:8000";

async function graphql<Data>(query: string, variables: unknown, token?: string): Promise<Data> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token) headers["authorization"] = `Bearer ${token}`;
  const response = await fetch(`${identityUrl}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

async function signIn(email: string, password: string): Promise<{ token: string; user: string }> {
  const login = "mutation($input: LoginInput!) { login(input: $input) { tokens { accessToken } user { id } errors { code } } }";
  const data = await graphql<any>(login, { input: { email, password } });
  return { token: data.login.tokens.accessToken, user: data.login.user.id.replace("user:", "") };
}

async function apiKey(admin: string): Promise<{ id: string; secret: string }> {
  const create = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret errors { code path } } }";
  const input = { name: "Calls", serviceName: "calls", permissions: ["user:view"], hotelScope: "ALL" };
  const data = await graphql<any>(create, { input }, admin);
  assert.deepEqual(data.createApiKey.errors, []);
  return { id: data.createApiKey.apiKey.id, secret: data.createApiKey.secret };
}

function listening(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

let admin: { token: string; user: string };
let manager: { token: string; user: string };
let key: { id: string; secret: string };
let running: Server;
let url: string;

before(async () => {
  admin = await signIn("admin@voicehive-hotels.eu", "admin123");
  manager = await signIn("manager@hotel1.com", "manager123");
  key = await apiKey(admin.token);
  running = service({ identityUrl, apiKey: key.secret, issuer: "voicehive-identity", audience: "voicehive" });
  url = await listening(running);
});

after(() => running.close());

async function call(path: string, token?: string, method = "GET"): Promise<{ status: number; body: any }> {
  const response = await fetch(url + path, { method, headers: token ? { authorization: `Bearer ${token}` } : {} });
  return { status: response.status, body: await response.json() };
}

test("users see the hotels where they may begin calls, and begin them there alone", async () => {
  const hotels = await call("/hotels", manager.token);
  assert.deepEqual(hotels.body.hotels.map((hotel: { pmsHotelId: string }) => hotel.pmsHotelId), ["hotel-001"]);
  const begun = await call("/hotels/hotel-001/calls", manager.token, "POST");
  assert.deepEqual([begun.status, begun.body], [201, { hotel: "hotel-001", by: manager.user }]);
  const nowhere = await call("/hotels/hotel-404/calls", manager.token, "POST");
  assert.deepEqual([nowhere.status, nowhere.body], [403, { error: "NO_SUCH_HOTEL" }]);
  // What can be no hotel is nobody else's trouble.
  const odd = [`/hotels/${"x".repeat(101)}/calls`, "/hotels/%00/calls", "/hotels/hotel-001/calls"];
  const together = await Promise.all(odd.map((path) => call(path, manager.token, "POST")));
  assert.deepEqual(together.map((answer) => answer.status), [403, 403, 201]);
  assert.equal((await call("/hotels/%E0/calls", manager.token, "POST")).status, 400);
});

test("tokens that do not hold open nothing", async () => {
  const [head, , signature] = manager.token.split(".");
  const forged = [head, Buffer.from(JSON.stringify({ sub: admin.user })).toString("base64url"), signature].join(".");
  for (const token of [undefined, "nonsense", forged]) {
    assert.equal((await call("/hotels", token)).status, 401);
  }
});

test("questions that come together go in one request, and are kept for a while", async () => {
  let requests = 0;
  const counting = createServer(async (request, response) => {
    requests += 1;
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = { "content-type": "application/json", "x-api-key": String(request.headers["x-api-key"]) };
    const answer = await fetch(identityUrl + request.url, { method: "POST", headers, body: Buffer.concat(chunks) });
    response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
  });
  const through = await listening(counting);
  let time = 0;
  const identity = new Identity(through, key.secret, () => time);
  const ask = () =>
    Promise.all(
      ["call:start", "call:view", "call:start", "user:create"].map((permission) => identity.may(manager.user, permission, "hotel-001")),
    );
  const reasons = (await ask()).map((decision) => decision.reason);
  assert.deepEqual(reasons, ["GRANTED", "GRANTED", "GRANTED", "PERMISSION_MISSING"]);
  assert.equal(requests, 1);
  time = 4_999;
  await ask();
  assert.equal(requests, 1, "kept");
  time = 5_000;
  await ask();
  assert.equal(requests, 2, "and asked for again");
  counting.close();
});

test("a revoked key decides nothing, and nothing is allowed then", async () => {
  const other = await apiKey(admin.token);
  const identity = new Identity(identityUrl, other.secret);
  assert.equal((await identity.may(manager.user, "call:start", "hotel-001")).allowed, true);
  const revoke = "mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { errors { code } } }";
  await graphql(revoke, { input: { id: other.id } }, admin.token);
  await assert.rejects(identity.may(manager.user, "call:view", "hotel-001"), (error) => {
    return error instanceof IdentityError && error.code === "UNAUTHENTICATED";
  });
  const away = service({ identityUrl, apiKey: other.secret, issuer: "voicehive-identity", audience: "voicehive" });
  const there = await listening(away);
  const refused = await fetch(`${there}/hotels/hotel-001/calls`, { method: "POST", headers: { authorization: `Bearer ${manager.token}` } });
  assert.equal(refused.status, 503);
  away.close();
});

test("without the service's keys no token is judged", async () => {
  const away = service({ identityUrl: "http://127.0.0.1:9", apiKey: "x", issuer: "voicehive-identity", audience: "voicehive" });
  const there = await listening(away);
  const answer = await fetch(`${there}/hotels`, { headers: { authorization: `Bearer ${manager.token}` } });
  assert.equal(answer.status, 503);
  away.close();
});

test("what is kept is bounded, and errors are not kept", async () => {
  const kept = new Kept<number>(1_000, 2, () => 0);
  let found = 0;
  const find = async () => ++found;
  assert.deepEqual([await kept.get("a", find), await kept.get("a", find)], [1, 1]);
  await kept.get("b", find);
  await kept.get("c", find);
  assert.equal(await kept.get("a", find), 4, "the oldest has gone");
  await assert.rejects(kept.get("d", () => Promise.reject(new Error("no"))));
  assert.equal(await kept.get("d", find), 5);
});

test("without an API key it does not start, and says what is missing", async () => {
  const main = new URL("../src/main.js", import.meta.url);
  for (const key of [undefined, ""]) {
    const environment: NodeJS.ProcessEnv = { ...process.env, IDENTITY_URL: identityUrl, IDENTITY_API_KEY: key };
    const started = spawnSync(process.execPath, [main.pathname], { env: environment, encoding: "utf8", timeout: 10_000 });
    assert.equal(started.status, 1);
    assert.match(started.stderr, /IDENTITY_API_KEY/);
  }
});
