// The rules that graphql-eslint recommends for schemas and for documents, and those of Relay's conventions.
import graphql from '@graphql-eslint/eslint-plugin';

const { configs } = graphql;
const parsed = {
  languageOptions: {
    parser: graphql.parser,
    parserOptions: { graphQLConfig: { schema: 'generated/schema.graphql', documents: 'documents/*.graphql' } },
  },
  plugins: { '@graphql-eslint': graphql },
};

const schemaRules = {
  ...configs['flat/schema-recommended'].rules,
  ...configs['flat/schema-relay'].rules,
  // Descriptions of one line stand on one line, longer ones in a block: that is how the schema is printed.
  '@graphql-eslint/description-style': 'off',
  // Connections offer `nodes` beside `edges`, and what is always few is a plain list.
  '@graphql-eslint/relay-edge-types': ['error', { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false }],
  // Parts of another thing and answers have no identity of their own.
  '@graphql-eslint/strict-id-in-types': [
    'error',
    {
      acceptedIdNames: ['id'],
      acceptedIdTypes: ['ID'],
      exceptions: {
        types: ['AccessDecision', 'MutationError', 'PageInfo', 'PermissionDescription', 'Tokens'],
        suffixes: ['Connection', 'Edge', 'Payload'],
      },
    },
  ],
};

export default [
  {
    ...parsed,
    files: ['generated/schema.graphql'],
    rules: schemaRules,
  },
  { ...parsed, files: ['documents/*.graphql'], rules: configs['flat/operations-recommended'].rules },
];
