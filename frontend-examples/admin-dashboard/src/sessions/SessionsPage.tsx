// The sessions one may see: one's own and, for whoever may view users, theirs.
import { useSearchParams } from 'react-router';
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import type { SessionFilter, SessionStatus } from '../generated/graphql';
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
  const [params, setParams] = useSearchParams();
  const status = params.get('status') ?? 'ACTIVE';
  const filter: SessionFilter = status === 'any' ? {} : { status: status as SessionStatus };
  const pages = usePages(SESSIONS, { filter }, (data) => data.sessions);
  return (
    <>
      <div className="head">
        <h1>Sessions</h1>
      </div>
      <div className="filters" role="search">
        <Choice label="Status" value={status} onChange={(value) => setParams({ status: value }, { replace: true })} options={CHOICES} />
      </div>
      <SessionRows label="Sessions" pages={pages} />
    </>
  );
}
