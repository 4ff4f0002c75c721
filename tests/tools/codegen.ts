// The generators that clients use, each into a folder of its own; what they make is compiled afterwards.
import type { CodegenConfig } from '@graphql-codegen/cli';

const scalars = { DateTime: 'string', JSON: 'unknown', ID: 'string' };

const config: CodegenConfig = {
  schema: 'generated/schema.graphql',
  documents: ['documents/*.graphql'],
  emitLegacyCommonJSImports: false,
  generates: {
    'generated/client/': {
      preset: 'client',
      config: { strictScalars: true, useTypeImports: true, scalars },
    },
    'generated/urql.ts': {
      plugins: ['typescript-operations', 'typescript-urql'],
      config: { strictScalars: true, useTypeImports: true, scalars },
    },
    'generated/apollo.ts': {
      plugins: ['typescript-operations', 'typescript-react-apollo'],
      config: { strictScalars: true, useTypeImports: true, scalars },
    },
  },
};

export default config;
