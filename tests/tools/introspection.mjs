// Asks a server about its schema as clients' generators do: by the introspection query of graphql-js, with every set of its
// options that the specification knows, and holds the answer against schema.graphql. Usage: introspection.mjs URL SCHEMA
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import {
  buildClientSchema,
  buildSchema,
  getIntrospectionQuery,
  introspectionTypes,
  isObjectType,
  lexicographicSortSchema,
  printSchema,
} from 'graphql';

const [url, path] = process.argv.slice(2);
const printed = (schema) => printSchema(lexicographicSortSchema(schema));
const expected = printed(buildSchema(readFileSync(path, 'utf8')));

async function ask(query) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
    body: JSON.stringify({ query }),
  });
  const answer = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
  return answer.data;
}

// `experimentalDirectiveDeprecation` asks for what is in no specification yet.
const options = ['descriptions', 'specifiedByUrl', 'directiveIsRepeatable', 'schemaDescription', 'inputValueDeprecation', 'oneOf'];
for (let chosen = 0; chosen < 2 ** options.length; chosen += 1) {
  const given = Object.fromEntries(options.map((option, at) => [option, Boolean(chosen & (2 ** at))]));
  const answer = await ask(getIntrospectionQuery(given));
  const schema = buildClientSchema(answer);
  if (given.descriptions && given.oneOf && given.inputValueDeprecation && !given.schemaDescription) {
    assert.equal(printed(schema), expected);
  }
  const choices = answer.__schema.types.filter((type) => type.isOneOf).map((type) => type.name).sort();
  const asked = given.oneOf ? [...expected.matchAll(/^input (\w+) @oneOf/gm)].map((match) => match[1]).sort() : [];
  assert.deepEqual(choices, asked);
}

// Each field of introspection by itself, with all of its arguments.
const experimental = new Set(['__Directive.isDeprecated', '__Directive.deprecationReason', '__Schema.directives(includeDeprecated)']);
const ways = {
  __Schema: (field) => `{ __schema { ${field} } }`,
  __Type: (field) => `{ __type(name: "UserBy") { ${field} } }`,
  __Field: (field) => `{ __type(name: "Query") { fields { ${field} } } }`,
  __InputValue: (field) => `{ __type(name: "UserBy") { inputFields { ${field} } } }`,
  __EnumValue: (field) => `{ __type(name: "HotelScope") { enumValues { ${field} } } }`,
  __Directive: (field) => `{ __schema { directives { ${field} } } }`,
};
let fields = 0;
for (const type of introspectionTypes.filter(isObjectType)) {
  for (const field of Object.values(type.getFields())) {
    if (experimental.has(`${type.name}.${field.name}`)) continue;
    const known = field.args.filter((argument) => !experimental.has(`${type.name}.${field.name}(${argument.name})`));
    const given = known.map((argument) => `${argument.name}: true`).join(', ');
    const part = /__(Schema|Type|Field|InputValue|EnumValue|Directive)\b/.test(String(field.type)) ? ' { __typename }' : '';
    await ask(ways[type.name](`${field.name}${given && `(${given})`}${part}`));
    fields += 1;
  }
}
console.log(`${2 ** options.length} introspection queries, ${fields} fields`);
