// The sessions of one user, newest first.
import { usePages } from '../api/usePages';
import { graphql } from '../generated';
import { SessionRows } from '../sessions/SessionRows';

const SESSIONS_OF = graphql(`
  query SessionsOfUser($first: Int, $after: String, $user: ID!) {
    sessions(first: $first, after: $after, filter: { user: $user }) {
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

export function UserSessions({ user }: { user: string }) {
  const pages = usePages(SESSIONS_OF, { user }, (data) => data.sessions);
  return (
    <section className="card" aria-labelledby="sessions">
      <h2 id="sessions">Sessions</h2>
      <SessionRows label="Sessions of this user" pages={pages} ofOneUser />
    </section>
  );
}
