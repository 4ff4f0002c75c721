// Sessions as rows: whose, from where, until when, and the button that ends one.
import { useMemo } from 'react';
import { Link } from 'react-router';
import { graphql } from '../generated';
import type { SessionRowFragment, SessionStatus } from '../generated/graphql';
import { Badge, type Tone } from '../parts/Badge';
import { ConfirmButton } from '../parts/ConfirmButton';
import { Rows, type RowsColumn, type RowsPages } from '../parts/Rows';
import { Time } from '../parts/Time';

graphql(`
  fragment SessionRow on Session {
    id
    status
    current
    createdAt
    lastUsedAt
    expiresAt
    ipAddress
    userAgent
    revokeReason
    user {
      id
      displayName
    }
  }
`);

const REVOKE_SESSION = graphql(`
  mutation RevokeSession($input: RevokeSessionInput!) {
    revokeSession(input: $input) {
      session {
        ...SessionRow
      }
      errors {
        code
        message
        path
      }
    }
  }
`);

const STATUS: Record<SessionStatus, [Tone, string]> = {
  ACTIVE: ['good', 'Going'],
  EXPIRED: ['plain', 'Expired'],
  REVOKED: ['bad', 'Ended'],
};

interface SessionRowsProps {
  label: string;
  pages: RowsPages<SessionRowFragment>;
  /** Sessions of one user need not say whose they are. */
  ofOneUser?: boolean;
}

export function SessionRows({ label, pages, ofOneUser = false }: SessionRowsProps) {
  const columns = useMemo(() => (ofOneUser ? COLUMNS.filter(({ id }) => id !== 'user') : COLUMNS), [ofOneUser]);
  return <Rows label={label} pages={pages} columns={columns} empty="No session matches." />;
}

const COLUMNS: RowsColumn<SessionRowFragment>[] = [
  { id: 'device', title: 'Device', least: 190, cell: ({ userAgent, current }) => `${deviceOf(userAgent)}${current ? ' (this one)' : ''}` },
  { id: 'user', title: 'User', cell: ({ user }) => <Link to={`/users/${user.id}`}>{user.displayName}</Link> },
  { id: 'status', title: 'Status', width: 95, cell: (session) => <Status session={session} /> },
  { id: 'used', title: 'Last used', width: 205, cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
  { id: 'end', title: 'End', width: 170, cell: (session) => session.status === 'ACTIVE' && <End session={session} /> },
  { id: 'began', title: 'Signed in', width: 205, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { id: 'address', title: 'Address', width: 120, cell: ({ ipAddress }) => ipAddress ?? 'unknown' },
];

function Status({ session: { status, revokeReason } }: { session: SessionRowFragment }) {
  const [tone, text] = STATUS[status];
  return (
    <span title={revokeReason ?? undefined}>
      <Badge tone={tone}>{text}</Badge>
    </span>
  );
}

function End({ session: { id, user, current } }: { session: SessionRowFragment }) {
  return (
    <ConfirmButton
      label="End this session"
      question={current ? 'This is the session you are in: you will be signed out here.' : `${user.displayName} will be signed out on that device at once.`}
      done="The session has ended."
      document={REVOKE_SESSION}
      input={(reason) => ({ id, reason })}
      asksReason
      danger
    />
  );
}

/** Browsers call themselves many things; the last name that is told apart from the others is theirs. */
export function deviceOf(userAgent: string | null | undefined): string {
  if (userAgent == null || userAgent === '') return 'Unknown';
  const browser = [/Edg\//, /OPR\//, /Firefox\//, /Chrome\//, /Safari\//].find((name) => name.test(userAgent));
  const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS X', 'Linux'].find((name) => userAgent.includes(name));
  if (browser === undefined) return userAgent;
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera' };
  const name = browser.source.replace(/\\\/$/, '');
  return `${names[name] ?? name}${system === undefined ? '' : ` on ${system}`}`;
}
