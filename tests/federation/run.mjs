// Composes the running service's schema with that of a second, small subgraph, and runs the queries of its standard input
// across both: a JSON list of documents. Prints what came of each, and what the service was asked meanwhile.
//
//   node run.mjs <the service's URL> <an access token> <user id> <user id> <hotel id> <hotel id>

import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { composeServices } = require("@apollo/composition");
const { ApolloGateway, RemoteGraphQLDataSource } = require("@apollo/gateway");
const { buildSchema, graphql, parse, validate } = require("graphql");

const [identity, token, ...ids] = process.argv.slice(2);
const users = ids.filter((id) => id.startsWith("user:"));
const hotels = ids.filter((id) => id.startsWith("hotel:"));

// Bookings of hotels, made by users of the service; the last of them by nobody it knows.
const body = `
  type Query { bookings: [Booking!]! }
  type Booking @key(fields: "id") { id: ID! guest: String! hotel: Hotel bookedBy: User }
  type Hotel @key(fields: "id", resolvable: false) { id: ID! }
  type User @key(fields: "id") { id: ID! bookings: [Booking!]! }`;
const bookingsSdl = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key"])\n${body}`;
const bookings = [
  { id: "1", guest: "Ann", hotel: { id: hotels[0] }, bookedBy: { id: users[0] } },
  { id: "2", guest: "Bo", hotel: { id: hotels[1] }, bookedBy: { id: users[1] } },
  { id: "3", guest: "Cy", hotel: { id: "hotel:nowhere" }, bookedBy: { id: "user:01900000-0000-7000-8000-000000000001" } },
];

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

function listen(handler) {
  const server = createServer(async (request, response) => {
    response.setHeader("content-type", "application/json").end(JSON.stringify(await handler(request)));
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve([server, `http://127.0.0.1:${server.address().port}/`]));
  });
}

const federation = `scalar _Any union _Entity = Booking | User type _Service { sdl: String }
  extend type Query { _entities(representations: [_Any!]!): [_Entity]! _service: _Service! }`;
const schema = buildSchema(body.replace(/@key\([^)]*\)/g, "") + federation, { assumeValidSDL: true });
const [bookingsServer, bookingsUrl] = await listen(async (request) => {
  const { query, variables, operationName } = await read(request);
  const entity = (asked) =>
    asked.__typename === "User"
      ? { ...asked, bookings: bookings.filter((booking) => booking.bookedBy.id === asked.id) }
      : { ...asked, ...bookings.find((booking) => booking.id === asked.id) };
  const rootValue = {
    bookings,
    _service: { sdl: bookingsSdl },
    _entities: ({ representations }) => representations.map(entity),
  };
  return graphql({ schema, source: query, variableValues: variables, operationName, rootValue, typeResolver: (value) => value.__typename });
});

async function sdlOf(url) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ query: "{ _service { sdl } }" }) });
  return (await response.json()).data._service.sdl;
}

const composed = composeServices([
  { name: "identity", url: identity, typeDefs: parse(await sdlOf(identity)) },
  { name: "bookings", url: bookingsUrl, typeDefs: parse(await sdlOf(bookingsUrl)) },
]);
if (composed.errors) {
  console.error(composed.errors.map((error) => error.message).join("\n"));
  process.exit(1);
}

const statements = [];
class Source extends RemoteGraphQLDataSource {
  willSendRequest({ request }) {
    request.http.headers.set("authorization", `Bearer ${token}`);
  }
  didReceiveResponse({ response }) {
    const counted = response.http.headers.get("x-sql-statements");
    if (counted !== null) statements.push(Number(counted));
    return response;
  }
}
const logger = { debug() {}, info() {}, warn() {}, error: console.error };
const gateway = new ApolloGateway({ supergraphSdl: composed.supergraphSdl, logger, buildService: ({ url }) => new Source({ url }) });
const { schema: supergraph, executor } = await gateway.load();

const answers = [];
for (const source of await read(process.stdin)) {
  const document = parse(source);
  const faults = validate(supergraph, document);
  if (faults.length > 0) throw faults[0];
  const request = { query: source, variables: {}, http: { headers: new Map() } };
  const overall = { document, schema: supergraph, request, operationName: null, queryHash: source, context: {}, metrics: {}, logger };
  const { data, errors } = await executor({ ...overall, cache: undefined, overallCachePolicy: {} });
  answers.push({ data, errors });
}
console.log(JSON.stringify({ answers, statements }));
await gateway.stop();
bookingsServer.close();
