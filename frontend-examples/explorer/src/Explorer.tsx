// GraphiQL, set up for this service: examples to begin with, documentation and history at the side, nothing secret kept.
// Its stylesheets are taken one by one: the one of them all brings fonts as data: addresses, which the service does not allow.
import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-history/style.css';
import 'graphiql/graphiql.css';
import { DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { EXAMPLES } from './examples';
import type { Fetcher } from './fetcher';
import { AccessibleNames } from './inside/AccessibleNames';
import { EditorSettings } from './inside/EditorSettings';
import { OwnId } from './inside/OwnId';
import { SchemaNotice } from './inside/SchemaNotice';
import { storage } from './storage';

const PLUGINS = [HISTORY_PLUGIN];
const IS_FIRST_VISIT = storage.length === 0;
const HAS_ROOM = matchMedia('(min-width: 60rem)').matches;

interface ExplorerProps {
  fetcher: Fetcher;
  /** Null where nobody is signed in. */
  viewerId: string | null;
}

export function Explorer({ fetcher, viewerId }: ExplorerProps) {
  return (
    <GraphiQL
      fetcher={fetcher}
      defaultTabs={EXAMPLES}
      defaultEditorToolsVisibility="variables"
      plugins={PLUGINS}
      // Afterwards it is as the person left it.
      visiblePlugin={IS_FIRST_VISIT && HAS_ROOM ? DOC_EXPLORER_PLUGIN : undefined}
      shouldPersistHeaders={false}
      storage={storage}
      inputValueDeprecation
    >
      <SchemaNotice />
      <OwnId viewerId={viewerId} />
      <EditorSettings />
      <AccessibleNames />
    </GraphiQL>
  );
}
