// Credentials of back-end services: what they may do and where, made and revoked.
import { useState } from 'react';
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import type { KeyRowFragment } from '../generated/graphql';
import { Badge } from '../parts/Badge';
import { ConfirmButton } from '../parts/ConfirmButton';
import { Rows, type RowsColumn } from '../parts/Rows';
import { Time } from '../parts/Time';
import { CreateApiKey } from './CreateApiKey';

graphql(`
  fragment KeyRow on ApiKey {
    id
    name
    serviceName
    prefix
    permissions
    hotelScope
    active
    createdAt
    expiresAt
    lastUsedAt
    revokedAt
    hotels(first: 3) {
      nodes {
        id
        name
      }
      pageInfo {
        hasNextPage
      }
    }
  }
`);

const API_KEYS = graphql(`
  query ApiKeys($first: Int, $after: String) {
    apiKeys(first: $first, after: $after) {
      nodes {
        ...KeyRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const REVOKE = graphql(`
  mutation RevokeApiKey($input: RevokeApiKeyInput!) {
    revokeApiKey(input: $input) {
      apiKey {
        ...KeyRow
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const COLUMNS: RowsColumn<KeyRowFragment>[] = [
  { id: 'name', title: 'Name', cell: ({ name }) => name },
  { id: 'service', title: 'Service', cell: ({ serviceName }) => serviceName },
  { id: 'status', title: 'Status', width: 110, cell: statusOf },
  { id: 'used', title: 'Last used', width: 205, cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
  { id: 'revoke', title: 'Revoke', width: 120, cell: (key) => key.active && <Revoke apiKey={key} /> },
  { id: 'prefix', title: 'Begins with', width: 150, cell: ({ prefix }) => <code>{prefix}</code> },
  { id: 'may', title: 'May', cell: ({ permissions }) => permissions.join(', ') },
  { id: 'hotels', title: 'Hotels', cell: hotelsOf },
  { id: 'expires', title: 'Expires', width: 205, cell: ({ expiresAt }) => <Time at={expiresAt} /> },
];

function hotelsOf({ hotelScope, hotels }: KeyRowFragment): string {
  if (hotelScope === 'ALL') return 'All hotels';
  return hotels.nodes.map(({ name }) => name).join(', ') + (hotels.pageInfo.hasNextPage ? ', …' : '');
}

function statusOf({ active, revokedAt }: KeyRowFragment) {
  if (active) return <Badge tone="good">Active</Badge>;
  return revokedAt == null ? <Badge tone="plain">Expired</Badge> : <Badge tone="bad">Revoked</Badge>;
}

function Revoke({ apiKey: { id, name } }: { apiKey: KeyRowFragment }) {
  return (
    <ConfirmButton
      label="Revoke"
      question={`Whatever service uses “${name}” is refused at once.`}
      done={`“${name}” is revoked.`}
      document={REVOKE}
      input={(reason) => ({ id, reason })}
      asksReason
      danger
    />
  );
}

export default function ApiKeysPage() {
  const pages = usePages(API_KEYS, {}, (data) => data.apiKeys);
  const [making, setMaking] = useState(false);
  return (
    <>
      <div className="head">
        <h1>API keys</h1>
        <button type="button" className="primary" onClick={() => void setMaking(true)}>
          Make a key
        </button>
      </div>
      <Rows label="API keys" pages={pages} columns={COLUMNS} empty="There are no API keys yet." />
      {making && <CreateApiKey onClose={() => void setMaking(false)} />}
    </>
  );
}
