// The sessions one may see: one's own and, for whoever may view users, theirs.
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import type { SessionFilter, SessionStatus } from '../generated/graphql';
import { useAddress } from '../parts/address';
import { Choice } from '../parts/fields';
import { SessionRows } from './SessionRows';

const SESSIONS = graphql(`
  query Sessions($first: Int, $after: String, $filter: SessionFilter) {
    sessions(first: $first, after: $after, filter: $filter) {
      nodes {
        ...SessionRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

const CHOICES: [string, string][] = [
  ['ACTIVE', 'Going'],
  ['REVOKED', 'Ended'],
  ['EXPIRED', 'Expired'],
  ['any', 'Any'],
];

export default function SessionsPage() {
  const address = useAddress();
  const status = address.param('status') || 'ACTIVE';
  const filter: SessionFilter = status === 'any' ? {} : { status: status as SessionStatus };
  const pages = usePages(SESSIONS, { filter }, (data) => data.sessions);
  return (
    <>
      <div className="head">
        <h1>Sessions</h1>
      </div>
      <div className="filters" role="search">
        <Choice label="Status" value={status} onChange={(value) => void address.set({ status: value })} options={CHOICES} />
      </div>
      <SessionRows label="Sessions" pages={pages} />
    </>
  );
}
